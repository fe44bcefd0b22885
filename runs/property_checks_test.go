package runs_test

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"understudy/runs"
)

// rest waits until a run is settled; not to come to a rest is a failure.
func (m *machine) rest(r *knownRun) *runs.Run {
	ctx, cancel := context.WithTimeout(m.ctx, 20*time.Second)
	defer cancel()
	raw, err := m.runs.Wait(ctx, project, r.ThreadID, r.ID, time.Hour)
	require.NotErrorIs(m.t, err, context.DeadlineExceeded, "run %s does not come to a rest: %s", r.ID, m.logs)
	require.NoError(m.t, err)
	return decode[runs.Run](m.t, raw)
}

// check looks at every run there is, at work or not.
func (m *machine) check(*rapid.T) {
	for _, th := range m.threads {
		list, err := m.runs.List(m.ctx, project, th.id, everything)
		require.NoError(m.t, err)
		active := 0
		for i, now := range decodeAll[runs.Run](m.t, list) {
			known := th.runs[i]
			require.Equal(m.t, known.ID, now.ID)
			m.checkRun(known, now)
			known.Run = now
			if now.Status.Active() {
				active++
				require.True(m.t, active == 1 || now.Status == runs.Queued, "two runs hold the thread")
			}
		}
		require.Len(m.t, list.Items, len(th.runs))
	}
}

func (m *machine) checkRun(known *knownRun, now *runs.Run) {
	switch {
	case known.Status.Terminal():
		require.Equal(m.t, known.Status, now.Status, "a run that has ended went on")
	case known.Status == runs.Cancelling:
		require.Contains(m.t, []runs.Status{runs.Cancelling, runs.Cancelled}, now.Status)
	}
	require.Equal(m.t, now.Status == runs.RequiresAction, now.RequiredAction != nil)
	require.Equal(m.t, now.Status.Terminal(), now.ExpiresAt == nil)
	require.Equal(m.t, now.Status.Terminal(), now.Usage != nil)
	require.Equal(m.t, now.Status == runs.Failed, now.LastError != nil)
	require.Equal(m.t, now.Status == runs.Incomplete, now.IncompleteDetails != nil)
	require.Equal(m.t, known.metadata, now.Metadata)
}

// end brings every run to its end and looks at the whole.
func (m *machine) end() {
	for _, th := range m.threads {
		for _, r := range th.runs {
			if !r.hangs && m.driven(r) {
				m.rest(r)
			}
			_, err := m.cancel(r.Run)
			m.refused(err, "Cannot cancel run with status")
			require.True(m.t, m.rest(r).Status.Terminal())
		}
	}
	m.check(nil)
	for _, th := range m.threads {
		for _, r := range th.runs {
			m.checkSpent(r)
		}
		m.checkTimeline(th)
		_, err := m.say(th.id, "the thread is free")
		require.NoError(m.t, err)
		require.NoError(m.t, m.runs.DeleteThread(m.ctx, project, th.id))
	}
}

// checkSpent adds up what the steps say and what the calls without a completed
// step used.
func (m *machine) checkSpent(r *knownRun) {
	var taped, shown int
	for _, call := range m.calls(r.Run) {
		taped += call.Usage.TotalTokens
	}
	require.Equal(m.t, taped, r.Usage.TotalTokens, "usage is what the calls used")
	for _, s := range m.steps(r.Run) {
		require.NotEqual(m.t, runs.StepInProgress, s.Status)
		require.Equal(m.t, s.Status == runs.StepCompleted, s.Usage != nil)
		if s.Usage != nil {
			shown += s.Usage.TotalTokens
		}
	}
	require.LessOrEqual(m.t, shown, taped)
	if r.Status == runs.Completed {
		require.Equal(m.t, shown, taped)
	}
}

// checkTimeline: the thread has every acknowledged message once, every answer
// once, and all in the order of events.
func (m *machine) checkTimeline(th *knownThread) {
	place := func(id string) int { return slices.Index(th.timeline, id) }
	at, users, said := -1, 0, map[string]bool{}
	for _, message := range m.messages(th.id) {
		source := message.ID
		if message.RunID != nil {
			source = *message.RunID
			require.False(m.t, said[message.Text()], "said twice: %s", message.Text())
			said[message.Text()] = true
		} else {
			users++
			require.Greater(m.t, place(source), at, "a message is there twice")
		}
		require.GreaterOrEqual(m.t, place(source), at, "a message is out of order: %v, %v", th.timeline, m.told(th))
		at = place(source)
	}
	acknowledged := 0
	for _, id := range th.timeline {
		if strings.HasPrefix(id, "msg_") {
			acknowledged++
		}
	}
	require.Equal(m.t, acknowledged, users, "messages were lost")
}

// told is what the thread has, for the report of a failure.
func (m *machine) told(th *knownThread) (lines []string) {
	for _, message := range m.messages(th.id) {
		line := message.ID
		if message.RunID != nil {
			line += " of " + *message.RunID
		}
		lines = append(lines, line)
	}
	for _, r := range th.runs {
		lines = append(lines, r.ID+" "+string(r.Status))
	}
	return lines
}
