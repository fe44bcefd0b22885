package runs

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"strconv"
	"time"

	"understudy/api/wire"
	"understudy/assistants"
	"understudy/threads"
)

// Original is a run that is to be replayed.
type Original struct {
	Run      *Run
	Upstream string // as in Record
	Search   SearchSetup
	// Deleted is how many messages that the thread had when the run was made were
	// deleted since.
	Deleted int
}

// The metadata by which a replay can be told from other runs.
const (
	replayOfKey        = "x.replay_of"        // the recorded run's id
	deletedMessagesKey = "x.deleted_messages" // how many messages are missing in the replay's thread
)

// ReplayLife is how long the thread of a replay is kept that nobody deletes.
const ReplayLife = 24 * time.Hour

// ReadReplay reads the body of POST …/runs/{id}/replay: what is to be different.
func ReadReplay(o *wire.Object, dialect wire.Dialect) (Create, error) {
	c := readOverrides(o, dialect)
	return c, o.Err()
}

// Replay runs a thread again, on a hidden copy, as it was when one of its runs was
// made, with what c sets instead of what the run had. Calls of tools are answered
// from the run. The watch is nil unless c.Stream is set.
func (s *Service) Replay(ctx context.Context, project, threadID, id string, c Create) (json.RawMessage, *Watch, error) {
	since := s.engine.begun(id)
	original, err := s.store.Original(ctx, project, threadID, id)
	if err != nil {
		return nil, nil, wire.OrNoSuch(err, noun, id)
	}
	if status := original.Run.showBegun(since).Status; status.Active() {
		return nil, nil, wire.Invalidf("Run %s is still active (status '%s'). Replay it when it has ended.", id, status)
	}
	now, ids := s.now(), wire.MinterOf(ctx)
	fork := threads.Fork{Of: threadID, ID: ids.ID(threads.IDPrefix, now), At: now, BeforeRun: id, Hidden: true}
	n := c.replay(original, ids.ID(IDPrefix, now), fork.ID, now)
	if err := n.Run.checkToolChoice(); err != nil {
		return nil, nil, err
	}
	if n.Upstream == "" {
		if err := s.models.CheckModel(n.Run.Model); err != nil {
			return nil, nil, err
		}
	}
	a, err := s.assistants.Load(ctx, project, n.Run.AssistantID)
	if isNotFound(err) { // deleted, and not needed
		a, err = &assistants.Assistant{ID: n.Run.AssistantID}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	n.Trace = s.engine.observer.Traced(ctx, n.Run, a)
	if _, err := s.threads.ForkThread(wire.WithReceipt(ctx, &wire.Receipt{}), project, fork); err != nil { // the answer is the run
		return nil, nil, wire.OrNoSuch(err, threadNoun, threadID)
	}
	body, watch, err := s.begin(ctx, project, n, c)
	if err != nil { // what a crash leaves here is deleted after ReplayLife
		_ = s.threads.DeleteThread(context.WithoutCancel(ctx), project, fork.ID)
	}
	return body, watch, err
}

// replay makes the run that repeats another one in a thread of its own.
func (c Create) replay(o *Original, id, threadID string, now time.Time) NewRun {
	old := o.Run
	r := &Run{
		ID: id, Object: old.Object, CreatedAt: now.Unix(), AssistantID: old.AssistantID, ThreadID: threadID,
		Status: Queued, ExpiresAt: wire.Ptr(now.Unix() + cmp.Or(c.ExpiresIn, lifetime)),
		Model: old.Model, Instructions: or(c.Instructions, old.Instructions), Tools: old.Tools, ToolResources: old.ToolResources,
		Temperature: or(c.Temperature, old.Temperature), TopP: or(c.TopP, old.TopP), ReasoningEffort: or(c.ReasoningEffort, old.ReasoningEffort),
		MaxPromptTokens: or(c.MaxPromptTokens, old.MaxPromptTokens), MaxCompletionTokens: or(c.MaxCompletionTokens, old.MaxCompletionTokens),
		Truncation:        *or(c.Truncation, &old.Truncation),
		ResponseFormat:    *or(c.ResponseFormat, &old.ResponseFormat),
		ToolChoice:        *or(c.ToolChoice, &old.ToolChoice),
		ParallelToolCalls: *or(c.ParallelToolCalls, &old.ParallelToolCalls),
		Metadata:          maps.Clone(c.Metadata),
	}
	n := NewRun{Run: r, Upstream: o.Upstream, Search: o.Search, ReplayOf: &ReplayOf{ThreadID: old.ThreadID, RunID: old.ID}}
	if c.ExpiresIn != 0 {
		n.Spent.ExpiresAt = *r.ExpiresAt
	}
	if c.Model != "" { // it goes where the client says, or where it is routed
		r.Model, n.Upstream = c.Model, ""
	}
	if c.Upstream != "" {
		n.Upstream = c.Upstream
	}
	if c.Tools != nil {
		r.Tools = c.Tools
	}
	n.Search.Quotes = n.Search.Quotes || c.Quotes
	if r.Metadata == nil {
		r.Metadata = wire.Metadata{}
	}
	r.Metadata[replayOfKey] = old.ID
	if o.Deleted > 0 {
		r.Metadata[deletedMessagesKey] = strconv.Itoa(o.Deleted)
	}
	return n
}
