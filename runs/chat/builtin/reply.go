package builtin

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

const (
	fileSearch      = "file_search"
	codeInterpreter = "code_interpreter"

	// quoteRunes bounds how much of each tool result is quoted: search results
	// can be as long as a book.
	quoteRunes = 2000

	nothingToEcho = "This is " + Model + ", the offline echo model: it repeats the last user message, and there was no text to repeat."
	imageNotice   = "came with the message; " + Model + ", the offline echo model, cannot see images."
)

// reply is one settled turn: text, or calls.
type reply struct {
	text   string
	calls  []functionCall
	finish string
	tokens int
}

// conversation is what the rules look at.
type conversation struct {
	text    string // of the last user message
	images  int    // in the last user message
	results []toolResult
}

// toolResult is a tool message after the last user message.
type toolResult struct{ tool, output string }

func readConversation(messages []message) conversation {
	var c conversation
	names := map[string]string{}
	for _, m := range messages {
		switch m.Role {
		case "user":
			c = conversation{text: m.Content.text, images: m.Content.images}
		case "assistant":
			for _, call := range m.ToolCalls {
				names[call.ID] = call.Function.Name
			}
		case "tool":
			c.results = append(c.results, toolResult{names[m.ToolCallID], m.Content.text})
		}
	}
	return c
}

// answer applies the rules of the package comment and the token limit.
func answer(r *chatRequest) reply {
	c := readConversation(r.Messages)
	out := reply{finish: "stop"}
	for _, t := range chooseTools(r, c) {
		out.finish = "tool_calls"
		out.calls = append(out.calls, functionCall{t.Function.Name, callArguments(t, c.text)})
	}
	if len(out.calls) == 0 {
		out.text = formatted(r.ResponseFormat, c)
	}
	return limited(out, r.tokenLimit())
}

// formatted is the text of a turn without calls, in the format asked for.
func formatted(format *responseFormat, c conversation) string {
	if format == nil || format.Type == "text" {
		return plainText(c)
	}
	source := c.text
	for _, result := range c.results {
		source += "\n" + result.output
	}
	if format.Type == "json_schema" {
		return string(generate(format.JSONSchema.Schema, source))
	}
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(c.text), &object) == nil && object != nil && len(c.results) == 0 {
		return c.text
	}
	return string(encode(map[string]string{"echo": plainText(c)}))
}

func plainText(c conversation) string {
	switch {
	case len(c.results) > 0:
		return quoteResults(c.results)
	case c.images == 1:
		return strings.TrimSpace(c.text + "\n\nAn image " + imageNotice)
	case c.images > 1:
		return strings.TrimSpace(fmt.Sprintf("%s\n\n%d images %s", c.text, c.images, imageNotice))
	case strings.TrimSpace(c.text) == "":
		return nothingToEcho
	}
	return c.text
}

func quoteResults(results []toolResult) string {
	quoted := make([]string, len(results))
	for i, result := range results {
		if passage, marker, ok := bestPassage(result.output); ok {
			quoted[i] = fmt.Sprintf(`%s found "%s"%s`, result.tool, passage, marker)
			continue
		}
		output := []rune(result.output)
		if len(output) > quoteRunes {
			output = append(output[:quoteRunes:quoteRunes], '…')
		}
		quoted[i] = fmt.Sprintf(`%s answered "%s"`, result.tool, string(output))
	}
	if len(quoted) == 1 {
		return "The tool " + quoted[0] + "."
	}
	return "The tools have answered: " + strings.Join(quoted, ", ") + "."
}

// bestPassage takes the first passage out of the results of a search, which are
// listed under markers to cite them by, the best first.
func bestPassage(output string) (passage, marker string, ok bool) {
	for _, block := range strings.Split(output, "\n\n")[1:] {
		heading, text, found := strings.Cut(block, "\n")
		end := strings.Index(heading, "】")
		if !found || !strings.HasPrefix(heading, "【") || end < 0 {
			continue
		}
		runes := []rune(strings.TrimSpace(text))
		return string(runes[:min(len(runes), quoteRunes)]), heading[:end+len("】")], true
	}
	return "", "", false
}

// chooseTools returns the tools to call this turn, in the order they were
// offered; none means that text is due.
func chooseTools(r *chatRequest, c conversation) []tool {
	if r.ToolChoice.mode == "none" {
		return nil
	}
	if r.ToolChoice.mode == "function" {
		return []tool{*r.tool(r.ToolChoice.function)}
	}
	var functions, hosted []tool
	for _, t := range r.Tools {
		switch {
		case t.Type != "function":
		case t.Function.Name == fileSearch || t.Function.Name == codeInterpreter:
			hosted = append(hosted, t)
		default:
			functions = append(functions, t)
		}
	}
	required := r.ToolChoice.mode == "required"
	if len(c.results) > 0 && !required {
		return nil
	}
	several := r.ParallelToolCalls == nil || *r.ParallelToolCalls
	if len(functions) == 1 {
		return functions
	}
	if named := namedTools(functions, c.text, several); len(named) > 0 {
		return named
	}
	if named := namedTools(hosted, c.text, several); len(named) > 0 {
		return named
	}
	switch offered := slices.Concat(functions, hosted); {
	case required && len(offered) > 0:
		return offered[:1]
	case len(hosted) > 0 && !several:
		return hosted[:1]
	}
	return hosted
}

// callArguments are the arguments of one call. The hosted tools get the user's
// text as it is: it is their query, or their program.
func callArguments(t tool, text string) string {
	schema := t.Function.Parameters
	switch t.Function.Name {
	case fileSearch:
		return string(generateVerbatim(schema, "query", text))
	case codeInterpreter:
		return string(generateVerbatim(schema, "code", program(text)))
	}
	return string(generateObject(schema, text))
}

// program is the first fenced block of a text, or all of it.
func program(text string) string {
	_, fenced, found := strings.Cut(text, "```")
	if !found {
		return text
	}
	block, _, _ := strings.Cut(fenced, "```")
	if _, code, found := strings.Cut(block, "\n"); found {
		block = code
	}
	return strings.TrimSpace(block)
}

// limited cuts a reply to the token limit and counts its tokens.
func limited(out reply, limit *int) reply {
	left := math.MaxInt
	if limit != nil {
		left = *limit
	}
	text, cut := cutTokens(out.text, left)
	out.text, out.tokens = text, countTokens(text)
	for i := range out.calls {
		call := &out.calls[i]
		out.tokens += tokensPerCall + countTokens(call.Name)
		arguments, short := cutTokens(call.Arguments, max(0, left-out.tokens))
		call.Arguments, cut = arguments, cut || short
		out.tokens += countTokens(arguments)
	}
	if cut {
		// What was cut off in the middle of a token still counts as one.
		out.finish, out.tokens = "length", *limit
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
