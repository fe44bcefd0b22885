package assistants

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"

	"understudy/api/wire"
)

// The tool types on the wire. Version 1 called FileSearch "retrieval".
const (
	FunctionTool    = "function"
	FileSearch      = "file_search"
	CodeInterpreter = "code_interpreter"
	Retrieval       = "retrieval"
)

// Tool is one tool of an assistant or run. Function is set for functions,
// Search for file_search.
type Tool struct {
	Type     string         `json:"type"`
	Function *Function      `json:"function,omitempty"`
	Search   *SearchOptions `json:"file_search,omitempty"`
}

// Function is a function the client executes. Parameters is its JSON schema
// as it was sent, property order kept, since models read it.
type Function struct {
	Name        string          `json:"name"`
	Description *string         `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters"`
	Strict      bool            `json:"strict"`
}

// SearchOptions are the settings of the file_search tool.
type SearchOptions struct {
	MaxNumResults  *int           `json:"max_num_results,omitempty"`
	RankingOptions RankingOptions `json:"ranking_options"`
}

// RankingOptions are echoed completed, with hybrid_search null as recorded.
type RankingOptions struct {
	Ranker         string           `json:"ranker"`
	ScoreThreshold wire.Float       `json:"score_threshold"`
	HybridSearch   *json.RawMessage `json:"hybrid_search"`
}

// DefaultRanker is how results of file_search are ranked unless a tool says otherwise.
const DefaultRanker = "default_2024_08_21"

var (
	noParameters = json.RawMessage(`{"type":"object","properties":{}}`)
	functionName = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
)

const maxFunctionName = 64

// ReadTools reads the tools field, nil when absent or null.
func ReadTools(o *wire.Object, maximum int, dialect wire.Dialect) []Tool {
	if !o.Has("tools") {
		o.Ignore("tools")
		return nil
	}
	objects := o.Objects("tools", maximum)
	tools := make([]Tool, 0, len(objects))
	names := map[string]bool{}
	for _, obj := range objects {
		tool := readTool(obj, dialect)
		if f := tool.Function; f != nil {
			if names[f.Name] {
				obj.Fail(wire.InvalidValue(obj.Path("function.name"), "Invalid '%s': another tool is already named '%s'.", obj.Path("function.name"), f.Name))
			}
			names[f.Name] = true
		}
		tools = append(tools, tool)
	}
	return tools
}

func readTool(o *wire.Object, dialect wire.Dialect) Tool {
	types := []string{CodeInterpreter, FileSearch, FunctionTool}
	if dialect == wire.V1 {
		types = append(types, Retrieval)
	}
	var tool Tool
	if o.Require("type") {
		tool.Type = o.Enum("type", types...)
	}
	switch tool.Type {
	case FunctionTool:
		tool.Function = readFunction(o)
	case FileSearch:
		tool.Search = readSearchOptions(o.Object(FileSearch))
	case Retrieval:
		tool = Tool{Type: FileSearch, Search: readSearchOptions(nil)}
	}
	o.IgnoreNull(FunctionTool, FileSearch) // some SDKs send the members of other types as null
	_ = o.Err()                            // keeps an unknown member as the failure
	return tool
}

// CompleteTools fills in what a request may leave out, in tools that come from
// elsewhere than a request.
func CompleteTools(tools []Tool) []Tool {
	complete := slices.Clone(tools)
	for i, t := range complete {
		switch {
		case t.Type == FileSearch && t.Search == nil:
			complete[i].Search = readSearchOptions(nil)
		case t.Search != nil && t.Search.RankingOptions.Ranker == "":
			options := *t.Search
			options.RankingOptions.Ranker = DefaultRanker
			complete[i].Search = &options
		case t.Function != nil && (len(t.Function.Parameters) == 0 || string(t.Function.Parameters) == "null"):
			function := *t.Function
			function.Parameters = noParameters
			complete[i].Function = &function
		}
	}
	return complete
}

func readFunction(o *wire.Object) *Function {
	if !o.Require("function") {
		return nil
	}
	f := o.Object("function")
	if f == nil {
		return nil
	}
	fn := &Function{
		Name:        f.RequiredString("name", maxFunctionName),
		Description: f.String("description", 0),
		Parameters:  noParameters,
	}
	if fn.Name != "" && !functionName.MatchString(fn.Name) {
		f.Fail(wire.InvalidValue(f.Path("name"), "Invalid '%s': string does not match pattern. Expected a string that matches the pattern '%s'.", f.Path("name"), functionName))
	}
	if f.Object("parameters") != nil {
		fn.Parameters = compact(f.Raw("parameters"))
	}
	if strict := f.Bool("strict"); strict != nil {
		fn.Strict = *strict
	}
	_ = f.Err()
	return fn
}

func readSearchOptions(o *wire.Object) *SearchOptions {
	options := &SearchOptions{RankingOptions: RankingOptions{Ranker: DefaultRanker}}
	if o == nil {
		return options
	}
	options.MaxNumResults = o.Int("max_num_results", 1, 50)
	if r := o.Object("ranking_options"); r != nil {
		if ranker := r.Enum("ranker", "auto", DefaultRanker); ranker == DefaultRanker {
			options.RankingOptions.Ranker = ranker
		}
		if threshold := r.Float("score_threshold", 0, 1); threshold != nil {
			options.RankingOptions.ScoreThreshold = *threshold
		}
		r.Ignore("hybrid_search") // echoed as null by the hosted API, so clients send it back
		_ = r.Err()
	}
	_ = o.Err()
	return options
}

// compact removes white space, so that stored bodies are one line and a
// schema reads the same however it was sent.
func compact(raw json.RawMessage) json.RawMessage {
	var buf bytes.Buffer
	if json.Compact(&buf, raw) != nil {
		return raw
	}
	return buf.Bytes()
}

// HasTool reports whether a tool of the type is among tools.
func HasTool(tools []Tool, toolType string) bool {
	for _, t := range tools {
		if t.Type == toolType {
			return true
		}
	}
	return false
}

// FindFunction returns the function of that name, nil when there is none.
func FindFunction(tools []Tool, name string) *Function {
	for _, t := range tools {
		if t.Function != nil && t.Function.Name == name {
			return t.Function
		}
	}
	return nil
}

// ResponseFormat is "auto" or an object; it is echoed as it was sent.
type ResponseFormat struct{ raw json.RawMessage }

// AutoFormat is the default response format.
var AutoFormat = ResponseFormat{raw: json.RawMessage(`"auto"`)}

// MarshalJSON writes the format as it was sent.
func (f ResponseFormat) MarshalJSON() ([]byte, error) {
	if f.raw == nil {
		return AutoFormat.raw, nil
	}
	return f.raw, nil
}

// UnmarshalJSON keeps the format as it is stored.
func (f *ResponseFormat) UnmarshalJSON(raw []byte) error {
	f.raw = bytes.Clone(raw)
	return nil
}

// Object returns the {"type":…} object to ask the model for, nil when the
// model is free to answer as it likes.
func (f ResponseFormat) Object() json.RawMessage {
	if len(f.raw) == 0 || f.raw[0] != '{' {
		return nil
	}
	return f.raw
}

func readResponseFormat(o *wire.Object) *ResponseFormat {
	raw := o.Raw("response_format")
	if raw == nil {
		return nil
	}
	switch raw[0] {
	case '"':
		if o.Enum("response_format", "auto", "none") == "" {
			return nil
		}
		return &AutoFormat
	case '{':
		checkFormat(o.Object("response_format"))
	default:
		o.Fail(wire.WrongType(o.Path("response_format"), "one of a string or object", wire.TypeName(raw)))
	}
	return &ResponseFormat{raw: compact(raw)}
}

func checkFormat(f *wire.Object) {
	if !f.Require("type") {
		return
	}
	if f.Enum("type", "text", "json_object", "json_schema") == "json_schema" && f.Require("json_schema") {
		if schema := f.Object("json_schema"); schema != nil {
			name := schema.RequiredString("name", maxFunctionName)
			if name != "" && !functionName.MatchString(name) {
				schema.Fail(wire.InvalidValue(schema.Path("name"), "Invalid '%s': string does not match pattern. Expected a string that matches the pattern '%s'.", schema.Path("name"), functionName))
			}
			schema.String("description", 0)
			schema.Object("schema")
			schema.Bool("strict")
			_ = schema.Err()
		}
	}
	f.IgnoreNull("json_schema")
	_ = f.Err()
}
