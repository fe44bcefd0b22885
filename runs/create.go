package runs

import (
	"cmp"
	"context"
	"strings"

	"understudy/api/wire"
	"understudy/assistants"
	"understudy/threads"
)

const maxRunTools = 20

// Create is the body of POST /threads/{id}/runs and POST /threads/runs; nil
// means "as the assistant has it".
type Create struct {
	assistants.Sampling
	AssistantID            string
	Model                  string
	Instructions           *string
	AdditionalInstructions *string
	AdditionalMessages     []threads.NewMessage
	Tools                  []assistants.Tool
	ToolResources          assistants.ToolResources
	Metadata               wire.Metadata
	MaxPromptTokens        *int
	MaxCompletionTokens    *int
	Truncation             *Truncation
	ToolChoice             *ToolChoice
	ParallelToolCalls      *bool
	Stream                 bool
	// Upstream is asked whatever the model's route; "" = as it is routed.
	Upstream string
	// Webhook is a URL that the run's events go to; "" = none of its own.
	Webhook string
	// ExpiresIn is the run's lifetime in seconds, 0 = as its metadata has it.
	ExpiresIn int64
	// OnBusy is what becomes of the run while another one holds its thread.
	OnBusy threads.OnBusy
	// Texts asks for search results with their texts in the stream.
	Texts bool
	// Quotes asks for citations that carry the passage they cite.
	Quotes bool
	// Version1 marks a run made under version 1 of the API, which might have
	// neither messages nor instructions.
	Version1 bool

	// Thread is set by POST /threads/runs only.
	Thread *threads.Create
}

const noIntLimit = 1<<31 - 1

// ReadCreate reads the body of POST /threads/{id}/runs.
func ReadCreate(o *wire.Object, dialect wire.Dialect) (Create, error) {
	c := readCreate(o, dialect)
	c.AdditionalInstructions = o.String("additional_instructions", 0)
	c.AdditionalMessages = threads.ReadMessages(o, "additional_messages", dialect)
	return c, o.Err()
}

// ReadCreateWithThread reads the body of POST /threads/runs. Real clients send
// a whole thread object as thread, so its other members are not refused.
func ReadCreateWithThread(o *wire.Object, dialect wire.Dialect) (Create, error) {
	c := readCreate(o, dialect)
	c.ToolResources = assistants.ReadResources(o)
	c.Thread = &threads.Create{}
	if t := o.Object("thread"); t != nil {
		t.Ignore("id", "object", "created_at")
		thread, err := threads.ReadCreate(t, dialect)
		o.Fail(err)
		c.Thread = &thread
	}
	return c, o.Err()
}

func readCreate(o *wire.Object, dialect wire.Dialect) Create {
	assistantID := o.RequiredString("assistant_id", 0)
	c := readOverrides(o, dialect)
	if c.AssistantID = assistantID; assistantID != "" {
		o.Fail(wire.CheckID("assistant_id", assistantID, "asst"))
	}
	return c
}

// readOverrides reads what a run may have otherwise than its assistant.
func readOverrides(o *wire.Object, dialect wire.Dialect) Create {
	c := Create{
		Instructions:        o.String("instructions", 0),
		Tools:               assistants.ReadTools(o, maxRunTools, dialect),
		Metadata:            o.Metadata(dialect == wire.V1),
		Sampling:            assistants.ReadSampling(o),
		MaxPromptTokens:     o.Int("max_prompt_tokens", 1, noIntLimit),
		MaxCompletionTokens: o.Int("max_completion_tokens", 1, noIntLimit),
		Truncation:          readTruncation(o),
		ToolChoice:          readToolChoice(o, dialect),
		ParallelToolCalls:   o.Bool("parallel_tool_calls"),
		Version1:            dialect == wire.V1,
	}
	c.ExpiresIn = readExpiresIn(o, c.Metadata)
	if model := o.String("model", 0); model != nil {
		c.Model = *model
	}
	if stream := o.Bool("stream"); stream != nil {
		c.Stream = *stream
	}
	return c
}

func readTruncation(o *wire.Object) *Truncation {
	sub := o.Object("truncation_strategy")
	if sub == nil {
		return nil
	}
	t := &Truncation{}
	if sub.Require("type") {
		t.Type = sub.Enum("type", truncateAuto, lastMessages)
	}
	t.LastMessages = sub.Int("last_messages", 1, noIntLimit)
	if t.Type == lastMessages {
		sub.Require("last_messages")
	}
	_ = sub.Err()
	return t
}

func readToolChoice(o *wire.Object, dialect wire.Dialect) *ToolChoice {
	raw := o.Raw("tool_choice")
	if raw == nil {
		return nil
	}
	switch raw[0] {
	case '"':
		return &ToolChoice{Type: o.Enum("tool_choice", choiceNone, choiceAuto, choiceRequired)}
	case '{':
		return readNamedChoice(o.Object("tool_choice"), dialect)
	default:
		o.Fail(wire.WrongType(o.Path("tool_choice"), "one of a string or object", wire.TypeName(raw)))
		return nil
	}
}

func readNamedChoice(o *wire.Object, dialect wire.Dialect) *ToolChoice {
	choice := &ToolChoice{}
	types := []string{assistants.FunctionTool, assistants.CodeInterpreter, assistants.FileSearch}
	if dialect == wire.V1 {
		types = append(types, assistants.Retrieval)
	}
	if o.Require("type") {
		choice.Type = o.Enum("type", types...)
	}
	switch choice.Type {
	case assistants.FunctionTool:
		if o.Require("function") {
			if f := o.Object("function"); f != nil {
				choice.Function = f.RequiredString("name", 0)
				_ = f.Err()
			}
		}
	case assistants.Retrieval:
		choice.Type = assistants.FileSearch
	}
	o.Ignore("function") // some SDKs send it as null beside every type
	_ = o.Err()
	return choice
}

// check refuses a run of which something that it, its thread or its new messages
// name does not exist or cannot be searched.
func (c Create) check(ctx context.Context, project string, files assistants.Files) error {
	if err := files.CheckFiles(ctx, project, c.ToolResources.FileIDs()); err != nil {
		return err
	}
	if err := files.CheckStores(ctx, project, c.ToolResources.StoreIDs()); err != nil {
		return err
	}
	if c.Thread != nil {
		if err := c.Thread.Check(ctx, project, files); err != nil {
			return err
		}
	}
	return threads.CheckMessages(ctx, project, files, c.AdditionalMessages)
}

// build makes the run: a frozen copy of the assistant with the overrides.
func (c Create) build(a *assistants.Assistant, id, threadID string, createdAt int64) (*Run, error) {
	r := &Run{
		ID: id, Object: "thread.run", CreatedAt: createdAt, AssistantID: a.ID, ThreadID: threadID,
		Status: Queued, ExpiresAt: wire.Ptr(createdAt + cmp.Or(c.ExpiresIn, lifetime)),
		Model: a.Model, Instructions: c.instructions(a), Tools: a.Tools, ToolResources: c.ToolResources, Metadata: c.Metadata,
		Temperature: or(c.Temperature, a.Temperature), TopP: or(c.TopP, a.TopP), ReasoningEffort: or(c.ReasoningEffort, a.ReasoningEffort),
		MaxPromptTokens: c.MaxPromptTokens, MaxCompletionTokens: c.MaxCompletionTokens,
		Truncation:     *or(c.Truncation, &Truncation{Type: truncateAuto}),
		ResponseFormat: *or(c.ResponseFormat, &a.ResponseFormat),
		ToolChoice:     *or(c.ToolChoice, &ToolChoice{Type: choiceAuto}),
		// The wire's default is true.
		ParallelToolCalls: c.ParallelToolCalls == nil || *c.ParallelToolCalls,
	}
	if c.Model != "" {
		r.Model = c.Model
	}
	if c.Tools != nil {
		r.Tools = c.Tools
	}
	if c.Version1 {
		r.ToolResources = a.ToolResources // version 1 echoed the assistant's file_ids
	}
	return r, r.checkToolChoice()
}

// searchSetup looks into the stores the run names, or else the assistant's.
// Version 1 quoted what it cited.
func (c Create) searchSetup(a *assistants.Assistant) SearchSetup {
	stores := c.ToolResources.StoreIDs()
	if c.ToolResources.FileSearch == nil {
		stores = a.ToolResources.StoreIDs()
	}
	return SearchSetup{Stores: stores, Quotes: c.Quotes || c.Version1}
}

// instructions are the run's own or the assistant's, with the additional ones
// behind a blank line.
func (c Create) instructions(a *assistants.Assistant) *string {
	base := or(c.Instructions, a.Instructions)
	if c.AdditionalInstructions == nil || *c.AdditionalInstructions == "" {
		return base
	}
	if base == nil || *base == "" {
		return c.AdditionalInstructions
	}
	return wire.Ptr(strings.Join([]string{*base, *c.AdditionalInstructions}, "\n\n"))
}

// checkToolChoice refuses a choice that no tool of the run can fulfil.
func (r *Run) checkToolChoice() error {
	switch choice := r.ToolChoice; choice.Type {
	case assistants.FunctionTool:
		if assistants.FindFunction(r.Tools, choice.Function) == nil {
			return wire.InvalidValue("tool_choice", "Invalid value: 'tool_choice'. The function '%s' is not among the run's tools.", choice.Function)
		}
	case assistants.FileSearch:
		if !assistants.HasTool(r.Tools, choice.Type) {
			return notAmongTools(choice.Type)
		}
	case assistants.CodeInterpreter:
		if !assistants.HasTool(r.Tools, choice.Type) {
			return notAmongTools(choice.Type)
		}
		return wire.InvalidValue("tool_choice", "Invalid value: 'tool_choice'. This server accepts and stores the tool '%s' but cannot run it yet, so it cannot be forced.", choice.Type)
	case choiceRequired:
		if len(r.offered(0)) == 0 {
			return wire.InvalidValue("tool_choice", "Invalid value: 'tool_choice'. 'required' needs a function or file_search among the run's tools.")
		}
	}
	return nil
}

func notAmongTools(tool string) error {
	return wire.InvalidValue("tool_choice", "Invalid value: 'tool_choice'. The tool '%s' is not among the run's tools.", tool)
}

func or[T any](first, second *T) *T {
	if first != nil {
		return first
	}
	return second
}
