package builtin

import (
	"encoding/json"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// completion is the answer, and one chunk of the streamed answer.
type completion struct {
	ID          string   `json:"id"`
	Object      string   `json:"object"`
	Created     int64    `json:"created"`
	Model       string   `json:"model"`
	Choices     []choice `json:"choices"`
	Usage       any      `json:"usage,omitempty"`
	ServiceTier string   `json:"service_tier"`
	Fingerprint string   `json:"system_fingerprint"`
}

type choice struct {
	Index        int            `json:"index"`
	Message      map[string]any `json:"message,omitempty"`
	Delta        map[string]any `json:"delta,omitzero"`
	Logprobs     any            `json:"logprobs"`
	FinishReason any            `json:"finish_reason"`
}

type usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
}

func (s *server) chat(w http.ResponseWriter, r *http.Request) error {
	var request chatRequest
	if err := decodeBody(w, r, &request); err != nil {
		return err
	}
	if err := request.validate(); err != nil {
		return err
	}
	out := answer(&request)
	prompt := promptTokens(&request)
	if err := s.pause(r); err != nil {
		return err
	}
	base := completion{
		ID:          newID("chatcmpl-"),
		Object:      "chat.completion",
		Created:     s.now().Unix(),
		Model:       Model,
		ServiceTier: "default",
		Fingerprint: fingerprint,
	}
	tokens := usage{prompt, out.tokens, prompt + out.tokens}
	if request.Stream {
		base.Object = "chat.completion.chunk"
		return newStream(w, r, base, request.StreamOptions.IncludeUsage).send(out, tokens)
	}
	base.Usage = tokens
	base.Choices = []choice{{Message: out.message(), FinishReason: out.finish}}
	return writeJSON(w, http.StatusOK, base)
}

func (out reply) message() map[string]any {
	m := map[string]any{"role": "assistant", "content": out.text, "refusal": nil, "annotations": []any{}}
	if len(out.calls) > 0 {
		calls := make([]toolCall, len(out.calls))
		for i, call := range out.calls {
			calls[i] = toolCall{newID("call_"), "function", call}
		}
		m["content"], m["tool_calls"] = nil, calls
	}
	return m
}

// stream writes chunks as the hosted API would: a first one with the role,
// the content or the calls in pieces, the finish reason, the usage, [DONE].
type stream struct {
	w         http.ResponseWriter
	r         *http.Request
	base      completion
	withUsage bool
}

func newStream(w http.ResponseWriter, r *http.Request, base completion, withUsage bool) *stream {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	if withUsage {
		base.Usage = json.RawMessage("null")
	}
	return &stream{w, r, base, withUsage}
}

func (s *stream) send(out reply, tokens usage) error {
	var err error
	if len(out.calls) > 0 {
		err = s.calls(out.calls)
	} else {
		err = s.text(out.text)
	}
	if err == nil {
		err = s.chunk(map[string]any{}, out.finish)
	}
	if err == nil && s.withUsage {
		last := s.base
		last.Choices, last.Usage = []choice{}, tokens
		err = s.event(encode(last))
	}
	if err != nil {
		return err
	}
	return s.event([]byte("[DONE]"))
}

func (s *stream) text(text string) error {
	if err := s.chunk(map[string]any{"role": "assistant", "content": "", "refusal": nil}, nil); err != nil {
		return err
	}
	for _, piece := range pieces(text) {
		if err := s.chunk(map[string]any{"content": piece}, nil); err != nil {
			return err
		}
	}
	return nil
}

func (s *stream) calls(calls []functionCall) error {
	for i, call := range calls {
		opening := map[string]any{"tool_calls": []any{map[string]any{
			"index": i, "id": newID("call_"), "type": "function",
			"function": functionCall{Name: call.Name},
		}}}
		if i == 0 {
			opening["role"], opening["content"], opening["refusal"] = "assistant", nil, nil
		}
		if err := s.chunk(opening, nil); err != nil {
			return err
		}
		for _, piece := range pieces(call.Arguments) {
			fragment := map[string]any{"index": i, "function": map[string]any{"arguments": piece}}
			if err := s.chunk(map[string]any{"tool_calls": []any{fragment}}, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *stream) chunk(delta map[string]any, finish any) error {
	chunk := s.base
	chunk.Choices = []choice{{Delta: delta, FinishReason: finish}}
	return s.event(encode(chunk))
}

// event writes one SSE event at once, unless the client has left.
func (s *stream) event(data []byte) error {
	if err := s.r.Context().Err(); err != nil {
		return err
	}
	for _, part := range [][]byte{[]byte("data: "), data, []byte("\n\n")} {
		if _, err := s.w.Write(part); err != nil {
			return err
		}
	}
	// A writer that cannot flush still delivers everything in the end.
	_ = http.NewResponseController(s.w).Flush()
	return nil
}

// maxPieces bounds the chunks of a long text, which would otherwise weigh
// fifty times the text.
const maxPieces = 256

// pieces splits a text for streaming: word by word with the space before each,
// and two halves when it is a single word.
func pieces(text string) []string {
	var list []string
	start, inSpace := 0, true
	for i, r := range text {
		space := unicode.IsSpace(r)
		if space && !inSpace {
			list = append(list, text[start:i])
			start = i
		}
		inSpace = space
	}
	if start < len(text) {
		list = append(list, text[start:])
	}
	if len(list) == 1 {
		if half := middle(text); half > 0 {
			return []string{text[:half], text[half:]}
		}
	}
	if len(list) <= maxPieces {
		return list
	}
	size := (len(list) + maxPieces - 1) / maxPieces
	grouped := make([]string, 0, maxPieces)
	for i := 0; i < len(list); i += size {
		grouped = append(grouped, strings.Join(list[i:min(i+size, len(list))], ""))
	}
	return grouped
}

// middle is where a text can be cut in two without cutting a character; 0 when
// it has but one.
func middle(text string) int {
	half := len(text) / 2
	for half > 0 && !utf8.RuneStart(text[half]) {
		half--
	}
	if _, size := utf8.DecodeRuneInString(text); half == 0 && size < len(text) {
		return size
	}
	return half
}
