// Package assistants holds the Assistant: a model with instructions and tools
// that runs are made from. The types shared by assistants and runs (tools,
// tool resources, response format) live here as well.
//
// The package validates, fills in defaults and keeps assistants in a Store; it
// knows neither HTTP nor SQL.
package assistants

import (
	"time"

	"understudy/api/wire"
	"understudy/files/vectorstores"
)

// IDPrefix begins every assistant id.
const IDPrefix = "asst_"

// Limits of the API (spec sections 5 and 15), in characters and elements.
const (
	maxName         = 256
	maxDescription  = 512
	maxInstructions = 256_000
	maxTools        = 128
)

// Assistant is the assistant object on the wire, in the hosted API's key order
// (spec section 6). Name, Description, Instructions and ReasoningEffort are
// null when unset.
type Assistant struct {
	ID              string         `json:"id"`
	Object          string         `json:"object"`
	CreatedAt       int64          `json:"created_at"` // unix seconds
	Name            *string        `json:"name"`
	Description     *string        `json:"description"`
	Model           string         `json:"model"`
	Instructions    *string        `json:"instructions"`
	Tools           []Tool         `json:"tools"`
	TopP            *wire.Float    `json:"top_p"`
	Temperature     *wire.Float    `json:"temperature"`
	ReasoningEffort *string        `json:"reasoning_effort"`
	ToolResources   ToolResources  `json:"tool_resources"`
	Metadata        wire.Metadata  `json:"metadata"`
	ResponseFormat  ResponseFormat `json:"response_format"`
}

// Create is the body of POST /assistants.
type Create struct {
	Sampling
	Name          *string
	Description   *string
	Model         string
	Instructions  *string
	Tools         []Tool
	ToolResources ToolResources
	Metadata      wire.Metadata

	store      *vectorstores.Create // to be made along, nil = none
	storeParam string               // the field that names its files
}

// Sampling is what assistants and runs both say about how to ask the model;
// nil means not said.
type Sampling struct {
	Temperature     *wire.Float
	TopP            *wire.Float
	ReasoningEffort *string
	ResponseFormat  *ResponseFormat
}

var reasoningEfforts = []string{"none", "minimal", "low", "medium", "high", "xhigh", "max"}

// ReadSampling reads temperature, top_p, reasoning_effort and response_format.
func ReadSampling(o *wire.Object) Sampling {
	s := Sampling{
		Temperature:    o.Float("temperature", 0, 2),
		TopP:           o.Float("top_p", 0, 1),
		ResponseFormat: readResponseFormat(o),
	}
	if effort := o.Enum("reasoning_effort", reasoningEfforts...); effort != "" {
		s.ReasoningEffort = &effort
	}
	return s
}

// ReadCreate reads the body of POST /assistants.
func ReadCreate(o *wire.Object, dialect wire.Dialect) (Create, error) {
	c := Create{
		Model:        o.RequiredString("model", 0),
		Name:         o.String("name", maxName),
		Description:  o.String("description", maxDescription),
		Instructions: o.String("instructions", maxInstructions),
		Tools:        ReadTools(o, maxTools, dialect),
		Sampling:     ReadSampling(o),
		Metadata:     o.Metadata(dialect == wire.V1),
	}
	resources, store := ReadNewResources(o)
	c.ToolResources, c.store, c.storeParam = resources.withFileIDs(o, dialect).showing(c.Tools), store, HelperFiles
	if ids := c.ToolResources.FileIDs(); dialect == wire.V1 && store == nil && HasTool(c.Tools, FileSearch) && len(ids) > 0 {
		c.store, c.storeParam = wire.Ptr(vectorstores.Of(ids)), "file_ids"
	}
	return c, o.Err()
}

// new makes the object, with every default the hosted API echoed.
func (c Create) new(id string, createdAt int64) *Assistant {
	a := &Assistant{
		ID: id, Object: "assistant", CreatedAt: createdAt,
		Name: c.Name, Description: c.Description, Model: c.Model, Instructions: c.Instructions,
		Tools: c.Tools, TopP: wire.Ptr(wire.Float(1)), Temperature: wire.Ptr(wire.Float(1)),
		ReasoningEffort: c.ReasoningEffort, ToolResources: c.ToolResources,
		Metadata: c.Metadata, ResponseFormat: AutoFormat,
	}
	if c.Temperature != nil {
		a.Temperature = c.Temperature
	}
	if c.TopP != nil {
		a.TopP = c.TopP
	}
	if c.ResponseFormat != nil {
		a.ResponseFormat = *c.ResponseFormat
	}
	if a.Tools == nil {
		a.Tools = []Tool{}
	}
	return a
}

// Modify is the body of POST /assistants/{id}: the changes in the order they
// are applied, and what they name that must exist.
type Modify struct {
	changes   []func(*Assistant)
	model     string
	resources ToolResources
	version1  bool
}

// ReadModify reads the body of POST /assistants/{id}. An absent field stays as
// it is, null resets a nullable one, and null metadata and an empty model
// change nothing because clients send them without meaning to.
func ReadModify(o *wire.Object, dialect wire.Dialect) (Modify, error) {
	var m Modify
	resets := resettable()
	for name, reset := range resets {
		if o.IsNull(name) {
			m.add(reset)
		}
	}
	if model := o.String("model", 0); model != nil && *model != "" {
		m.model = *model
		m.add(func(a *Assistant) { a.Model = m.model })
	}
	if name := o.String("name", maxName); name != nil {
		m.add(func(a *Assistant) { a.Name = name })
	}
	if description := o.String("description", maxDescription); description != nil {
		m.add(func(a *Assistant) { a.Description = description })
	}
	if instructions := o.String("instructions", maxInstructions); instructions != nil {
		m.add(func(a *Assistant) { a.Instructions = instructions })
	}
	m.readSampling(o)
	m.readTools(o, dialect)
	if metadata := o.Metadata(dialect == wire.V1); metadata != nil {
		m.add(func(a *Assistant) { a.Metadata = metadata })
	}
	return m, o.Err()
}

// resettable maps the fields a null resets to what it does.
func resettable() map[string]func(*Assistant) {
	return map[string]func(*Assistant){
		"name":             func(a *Assistant) { a.Name = nil },
		"description":      func(a *Assistant) { a.Description = nil },
		"instructions":     func(a *Assistant) { a.Instructions = nil },
		"reasoning_effort": func(a *Assistant) { a.ReasoningEffort = nil },
		"temperature":      func(a *Assistant) { a.Temperature = wire.Ptr(wire.Float(1)) },
		"top_p":            func(a *Assistant) { a.TopP = wire.Ptr(wire.Float(1)) },
		"response_format":  func(a *Assistant) { a.ResponseFormat = AutoFormat },
	}
}

func (m *Modify) add(change func(*Assistant)) { m.changes = append(m.changes, change) }

func (m *Modify) readSampling(o *wire.Object) {
	s := ReadSampling(o)
	m.add(func(a *Assistant) {
		if s.Temperature != nil {
			a.Temperature = s.Temperature
		}
		if s.TopP != nil {
			a.TopP = s.TopP
		}
		if s.ReasoningEffort != nil {
			a.ReasoningEffort = s.ReasoningEffort
		}
		if s.ResponseFormat != nil {
			a.ResponseFormat = *s.ResponseFormat
		}
	})
}

// readTools reads tools and tool_resources; resources of a tool that is not
// mentioned stay.
func (m *Modify) readTools(o *wire.Object, dialect wire.Dialect) {
	tools := ReadTools(o, maxTools, dialect)
	if tools != nil {
		m.add(func(a *Assistant) { a.Tools = tools })
	}
	resources := ReadResources(o).withFileIDs(o, dialect)
	m.resources, m.version1 = resources, dialect == wire.V1
	m.add(func(a *Assistant) { a.ToolResources = a.ToolResources.merged(resources).showing(a.Tools) })
}

// apply changes the assistant, and says what it means for its vector store.
func (m Modify) apply(a *Assistant, ids *wire.Minter, now time.Time) vectorstores.Change {
	before := a.retrieved()
	for _, change := range m.changes {
		change(a)
	}
	if !m.version1 {
		return vectorstores.Change{}
	}
	return a.keepRetrieved(before, ids, now)
}
