package runs

import (
	"context"
	"encoding/json"
	"strings"

	"understudy/api/wire"
	"understudy/files/tokens"
	"understudy/threads"
)

// Context shows what a run sent to its model and what came back, call by call.
// It is an object of its own, which the hosted API did not have.
type Context struct {
	Object   string  `json:"object"` // thread.run.context
	ThreadID *string `json:"thread_id"`
	RunID    *string `json:"run_id"` // null when there is no run, only what it would send
	DryRun   bool    `json:"dry_run"`
	// Calls are those on the tape, oldest first.
	Calls []*ShownCall `json:"model_calls"`
}

// ShownCall is a model call with what can be told from it.
type ShownCall struct {
	*ModelCall
	TimeToFirstToken *wire.Float `json:"time_to_first_token"` // seconds; null = the answer came as a whole, or not at all
	Duration         wire.Float  `json:"duration"`            // seconds
	Tokens           Origins     `json:"tokens"`
}

// Origins are the tokens of a request by where they come from, as we count them:
// the backend, which has its own way, says in usage what they all were.
type Origins struct {
	Instructions int `json:"instructions"` // with the response format
	Tools        int `json:"tools"`        // the definitions of functions
	History      int `json:"history"`      // what users and assistants said, and calls
	Retrieval    int `json:"retrieval"`    // what file_search found in this run
	Files        int `json:"files"`        // images
	ToolOutputs  int `json:"tool_outputs"` // what the client answered to calls
	Total        int `json:"total"`
}

// Context returns the run's tape as it is shown.
func (s *Service) Context(ctx context.Context, project, threadID, runID string) (*Context, error) {
	calls, err := s.ModelCalls(ctx, project, threadID, runID)
	if err != nil {
		return nil, err
	}
	body, err := s.store.Run(ctx, project, threadID, runID)
	if err != nil {
		return nil, wire.OrNoSuch(err, noun, runID)
	}
	var run Run
	if err := wire.Decode(body, &run); err != nil {
		return nil, err
	}
	shown, err := show(ctx, s.store, &run, calls...)
	shown.ThreadID, shown.RunID = &threadID, &runID
	return shown, err
}

// show tells of calls of a run on a thread with the past.
func show(ctx context.Context, past Past, run *Run, calls ...*ModelCall) (*Context, error) {
	out := &Context{Object: "thread.run.context", Calls: []*ShownCall{}}
	counter := originCounter{run: run, counted: map[string]int{}}
	for _, call := range calls {
		shown := &ShownCall{ModelCall: call, Duration: wire.Float(call.EndedAt.Sub(call.StartedAt).Seconds()), Tokens: counter.count(call.Request)}
		if call.FirstToken != nil {
			shown.TimeToFirstToken = new(wire.Float(call.FirstToken.Sub(call.StartedAt).Seconds()))
		}
		if err := call.Truncation.name(ctx, past, run.ThreadID); err != nil {
			return out, err
		}
		out.Calls = append(out.Calls, shown)
	}
	return out, nil
}

// name looks up what was left out, as far as it is still there.
func (t *Truncated) name(ctx context.Context, past Past, threadID string) error {
	if t.Since == nil {
		return nil
	}
	n, first, last, err := past.MessagesBefore(ctx, threadID, *t.Since)
	if err != nil {
		return err
	}
	t.Messages = max(t.Messages, n)
	if n > 0 {
		t.FirstID, t.LastID = &first, &last
	}
	return nil
}

// sentRequest is what is read of a request to see where its tokens come from.
type sentRequest struct {
	Messages       []sentMessage   `json:"messages"`
	Tools          json.RawMessage `json:"tools"`
	ResponseFormat json.RawMessage `json:"response_format"`
}

type sentMessage struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"` // text, parts or null
	CallID  string          `json:"tool_call_id"`
	Calls   []struct {
		ID       string `json:"id"`
		Function struct {
			Name      string `json:"name"`
			Arguments string `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
}

type sentPart struct {
	Text     string `json:"text"`
	ImageURL *struct {
		Detail string `json:"detail"`
	} `json:"image_url"`
}

// messageTokens is what a message costs beside its content: role and separators.
const messageTokens = 4

// originCounter counts the requests of one run, which repeat each other.
type originCounter struct {
	run     *Run
	counted map[string]int
}

func (c originCounter) tokens(text string) int {
	n, known := c.counted[text]
	if !known {
		n = tokens.Count(text)
		c.counted[text] = n
	}
	return n
}

// count is zero for what is no request of ours.
func (c originCounter) count(request []byte) (o Origins) {
	var sent sentRequest
	if json.Unmarshal(request, &sent) != nil {
		return o
	}
	o.Tools = c.tokens(string(sent.Tools))
	o.Instructions = c.tokens(string(sent.ResponseFormat))
	called := map[string]string{} // names by id
	for i, m := range sent.Messages {
		text, images := m.read()
		o.Files += images
		n := messageTokens + c.tokens(text)
		switch {
		case m.Role == "system" || m.Role == "developer":
			o.Instructions += n
		case m.Role == "tool" && c.run.searchTool() != nil && called[m.CallID] == c.run.searchName():
			o.Retrieval += n
		case m.Role == "tool":
			o.ToolOutputs += n
		case i == 0 && c.run.Instructions != nil && *c.run.Instructions != "" && strings.HasPrefix(text, *c.run.Instructions):
			// The backend takes no system message: they stand before what the user says.
			instructions := c.tokens(*c.run.Instructions)
			o.Instructions += instructions
			o.History += n - instructions
		default:
			o.History += n
		}
		for _, call := range m.Calls {
			called[call.ID] = call.Function.Name
			o.History += c.tokens(call.Function.Name) + c.tokens(call.Function.Arguments)
		}
	}
	o.Total = o.Instructions + o.Tools + o.History + o.Retrieval + o.Files + o.ToolOutputs
	return o
}

// read returns the text of a message, and what its images cost in tokens.
func (m sentMessage) read() (text string, images int) {
	if json.Unmarshal(m.Content, &text) == nil {
		return text, 0
	}
	var parts []sentPart
	_ = json.Unmarshal(m.Content, &parts) // what is neither has no text
	var texts []string
	for _, p := range parts {
		if p.ImageURL != nil {
			images += threads.ImageTokens(p.ImageURL.Detail)
		} else if p.Text != "" {
			texts = append(texts, p.Text)
		}
	}
	return strings.Join(texts, "\n"), images
}
