package runs_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/files"
	"understudy/runs"
	"understudy/runs/chat"
	"understudy/store"
	"understudy/threads"
)

// tellPrompt writes messages in a line each.
func tellPrompt(messages []chat.Message) (lines []string) {
	for _, m := range messages {
		line := string(m.Role) + ":"
		for _, p := range m.Content {
			if p.ImageURL != "" {
				line += " <" + p.ImageURL + " " + p.Detail + ">"
			} else {
				line += " " + p.Text
			}
		}
		for _, c := range m.Calls {
			line += " " + c.Name + "()"
		}
		lines = append(lines, line)
	}
	return lines
}

// prompt is what the next run of a thread sends, without the instructions.
func (w *world) prompt(thread string, members ...string) []string {
	w.model.play(says("ok"))
	r := w.settled(w.run(thread, members...))
	require.Equal(w.t, runs.Completed, r.Status, "%+v %+v", r.LastError, r.IncompleteDetails)
	return tellPrompt(w.model.sent()[0].Messages[1:])
}

// numbered is a thread of n messages, the user's and the assistant's in turn.
func (w *world) numbered(n int) string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf("m%d", i+1)
	}
	return w.thread(texts...)
}

// conversation is the lines of messages from to to of a numbered thread.
func conversation(from, to int) (lines []string) {
	for i := from; i <= to; i++ {
		lines = append(lines, fmt.Sprintf("%s: m%d", []string{"assistant", "user"}[i%2], i))
	}
	return lines
}

// TestWindows checks what each truncation keeps of threads around the size of
// one read of history, which is 64 messages.
func TestWindows(t *testing.T) {
	w := open(t, worldOptions{})
	const auto = `"truncation_strategy":{"type":"auto"}`
	last := func(n int) string {
		return fmt.Sprintf(`"truncation_strategy":{"type":"last_messages","last_messages":%d}`, n)
	}
	for _, tc := range []struct {
		length   int
		members  string
		from, to int
		dropped  bool
	}{
		{1, auto, 1, 1, false},
		{63, auto, 1, 63, false},
		{65, auto, 1, 65, false},
		{129, auto, 1, 129, false},
		{5, last(1), 5, 5, true},
		{5, last(2), 4, 5, true},
		{5, last(5), 1, 5, false},
		{5, last(100), 1, 5, false},
		{129, last(64), 66, 129, true},
		{129, last(65), 65, 129, true},
		// 27 tokens for the tools and instructions, then 6 for each message.
		{9, `"max_prompt_tokens":45`, 7, 9, true},
		{9, `"max_prompt_tokens":51`, 7, 9, true}, // the answer in front is left out as well
	} {
		t.Run(fmt.Sprint(tc.length, tc.members), func(t *testing.T) {
			thread := w.numbered(tc.length)
			require.Equal(t, conversation(tc.from, tc.to), w.prompt(thread, tc.members))
			list, err := w.runs.List(w.ctx, project, thread, everything)
			require.NoError(t, err)
			call := w.calls(decodeAll[runs.Run](t, list)[0])[0]
			require.Equal(t, tc.dropped, call.Truncation.Messages > 0)
		})
	}
}

// TestOverflow sends a prompt again, shorter each time, while truncation may drop something.
func TestOverflow(t *testing.T) {
	w := open(t, worldOptions{})
	for _, tc := range []struct {
		name, members string
		length, calls int
		status        runs.Status
	}{
		{"auto", `"metadata":{}`, 41, 3, runs.Completed},
		{"last_messages", `"truncation_strategy":{"type":"last_messages","last_messages":30}`, 41, 1, runs.Failed},
		{"nothing left to drop", `"metadata":{}`, 1, 1, runs.Failed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w.model.play(overflows(), overflows(), says("ok"))
			r := w.settled(w.run(w.numbered(tc.length), tc.members))
			require.Equal(t, tc.status, r.Status)
			sent := w.model.sent()
			require.Len(t, sent, tc.calls)
			require.Len(t, w.calls(r), tc.calls, "every call is on the tape")
			for i := 1; i < len(sent); i++ {
				require.Less(t, len(sent[i].Messages), len(sent[i-1].Messages))
				require.Equal(t, tellPrompt(sent[0].Messages[:1]), tellPrompt(sent[i].Messages[:1]))
			}
			require.Equal(t, fmt.Sprintf("user: m%d", tc.length), tellPrompt(sent[len(sent)-1].Messages[len(sent[len(sent)-1].Messages)-1:])[0])
			if tc.status == runs.Failed {
				require.Equal(t, &runs.LastError{Code: "invalid_prompt", Message: "prompt is too long"}, r.LastError)
			}
		})
	}
	t.Run("a model that never has enough", func(t *testing.T) {
		w.model.play(slices.Repeat([]turn{overflows()}, 30)...)
		r := w.settled(w.run(w.numbered(41)))
		require.Equal(t, runs.Failed, r.Status)
		require.Less(t, len(w.model.sent()), 15)
	})
}

// TestEarlierRuns replays what runs before this one did, in its order.
func TestEarlierRuns(t *testing.T) {
	w := open(t, worldOptions{}, saysAndCalls("I add.", "add", "sub"), says("Three."), calls("sub"))
	thread := w.thread("1+2")
	r := w.settled(w.run(thread))
	_, _, err := w.submit(r, false, "3", "-1")
	require.NoError(t, err)
	w.settled(r)
	_, err = w.say(thread, "2-1")
	require.NoError(t, err)
	w.mustCancel(t, w.settled(w.run(thread))) // its call is never answered
	_, err = w.say(thread, "So?")
	require.NoError(t, err)
	want := []string{
		"user: 1+2", "assistant: I add. add() sub()", "tool: 3", "tool: -1", "assistant: Three.",
		"user: 2-1", "assistant: sub()", "tool: No output was submitted for this call.", "user: So?",
	}
	require.Equal(t, want, w.prompt(thread))

	// Calls that lie between kept messages stay; those before them do not.
	require.Equal(t, append(want[5:], "assistant: ok"), w.prompt(thread, `"truncation_strategy":{"type":"last_messages","last_messages":3}`))

	// Deleting the question leaves the calls in their place.
	question := w.messages(thread)[3]
	require.Equal(t, "2-1", question.Text())
	require.NoError(t, w.threads.DeleteMessage(w.ctx, project, thread, question.ID))
	require.Equal(t, append(slices.Concat(want[:5], want[6:]), "assistant: ok", "assistant: ok"), w.prompt(thread))
}

// TestCallsAcrossPages has calls on both sides of the boundary of a read of history.
func TestCallsAcrossPages(t *testing.T) {
	for _, behind := range []int{62, 63, 64, 65} { // messages after the run
		w := open(t, worldOptions{}, calls("add"), says("Done."))
		thread := w.thread("first")
		r := w.settled(w.run(thread))
		_, _, err := w.submit(r, false, "1")
		require.NoError(t, err)
		w.settled(r)
		want := []string{"user: first", "assistant: add()", "tool: 1", "assistant: Done."}
		for i := range behind {
			text := fmt.Sprintf("n%d", i)
			_, err := w.say(thread, text)
			require.NoError(t, err)
			want = append(want, "user: "+text)
		}
		require.Equal(t, want, w.prompt(thread), "%d messages behind", behind)
	}
}

// TestImages shows images by URL and by file; a file that is gone leaves a note.
func TestImages(t *testing.T) {
	w := open(t, worldOptions{files: true})
	png := []byte("\x89PNG\r\n\x1a\n0000")
	upload := func() string {
		draft, err := w.files.Receive(bytes.NewReader(png))
		require.NoError(t, err)
		defer draft.Abort()
		f, err := w.files.Upload(w.ctx, project, "", files.Upload{Purpose: "vision", Filename: "a.png"}, draft)
		require.NoError(t, err)
		return idOf(t, f)
	}
	kept, gone := upload(), upload()
	thread := w.threadOf(`{"messages":[{"role":"user","content":[{"type":"text","text":"Look:"},
		{"type":"image_url","image_url":{"url":"https://example.com/a.png","detail":"low"}},
		{"type":"image_file","image_file":{"file_id":"` + kept + `"}},{"type":"image_file","image_file":{"file_id":"` + gone + `"}}]}]}`)
	require.NoError(t, w.files.Delete(w.ctx, project, gone))
	require.Equal(t, []string{
		"user: Look: <https://example.com/a.png low> <data:image/png;base64," + base64.StdEncoding.EncodeToString(png) + " auto> [image " + gone + " is not available]",
	}, w.prompt(thread))
}

// counting counts what is read of the history.
type counting struct {
	runs.Store
	queries, rows atomic.Int64
}

func (c *counting) Outlook(project, threadID string) *runs.Outlook {
	o := c.Store.Outlook(project, threadID)
	if o != nil {
		o.History = &counted{o.History, c}
	}
	return o
}

func (c *counting) RecentMessages(ctx context.Context, threadID string, before int64, limit int) ([]*runs.MessageRecord, error) {
	return (&counted{c.Store, c}).RecentMessages(ctx, threadID, before, limit)
}

func (c *counting) ToolSteps(ctx context.Context, threadID string, since, before int64) ([]*runs.StepRecord, error) {
	return (&counted{c.Store, c}).ToolSteps(ctx, threadID, since, before)
}

// counted is a history whose reads count.
type counted struct {
	runs.History
	*counting
}

func (c *counted) RecentMessages(ctx context.Context, threadID string, before int64, limit int) ([]*runs.MessageRecord, error) {
	records, err := c.History.RecentMessages(ctx, threadID, before, limit)
	c.queries.Add(1)
	c.rows.Add(int64(len(records)))
	return records, err
}

func (c *counted) ToolSteps(ctx context.Context, threadID string, since, before int64) ([]*runs.StepRecord, error) {
	steps, err := c.History.ToolSteps(ctx, threadID, since, before)
	c.queries.Add(1)
	c.rows.Add(int64(len(steps)))
	return steps, err
}

// TestLongThread reads of 10,000 messages only what it sends.
func TestLongThread(t *testing.T) {
	var c *counting
	w := open(t, worldOptions{stored: func(db *store.DB) runs.Store {
		c = &counting{Store: db}
		return c
	}})
	first := make([]*threads.Message, 10_000)
	for i := range first {
		text := threads.NewText(strings.Repeat("word ", 20))
		first[i] = threads.NewMessage{Role: threads.User, Content: []threads.Part{text}}.Build(fmt.Sprintf("msg_%d", i), "thread_long", 1)
	}
	_, err := w.db.CreateThread(w.ctx, project, &threads.Thread{ID: "thread_long"}, first, nil)
	require.NoError(t, err)
	for _, tc := range []struct {
		members       string
		messages      int
		queries, rows int64
	}{
		{`"truncation_strategy":{"type":"last_messages","last_messages":10}`, 10, 2, 64},
		{`"truncation_strategy":{"type":"last_messages","last_messages":100}`, 100, 4, 128},
		{`"max_prompt_tokens":1000`, 40, 2, 64},
	} {
		c.queries.Store(0)
		c.rows.Store(0)
		require.Equal(t, tc.messages, len(w.prompt("thread_long", tc.members)), tc.members) //nolint:testifylint // the lines are long
		require.Equal(t, []int64{tc.queries, tc.rows}, []int64{c.queries.Load(), c.rows.Load()}, tc.members)
	}
}
