package runs_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/runs/chat"
	"understudy/runs/tools/filesearch"
	"understudy/threads"
)

// TestAnythingGoes plays random requests against random model answers, with
// restarts and crashes between them, and checks after every step that no run is
// in a state it must not be in, and at the end that nothing is locked, lost or
// there twice.
func TestAnythingGoes(t *testing.T) {
	w := open(t, worldOptions{maxRuns: 3})
	p := &plans{byName: map[string][]string{}}
	w.model.choose = p.turn
	rapid.Check(t, func(rt *rapid.T) {
		w.t, w.ctx = rt, context.Background()
		m := &machine{world: w, plans: p}
		m.createThread(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"":               m.check,
			"create thread":  m.createThread,
			"add message":    m.addMessage,
			"delete message": m.deleteMessage,
			"create run":     m.createRun,
			"create run now": m.createRun,
			"submit":         m.submitOutputs,
			"submit at once": m.submitOutputs,
			"cancel":         m.cancelRun,
			"modify":         m.modifyRun,
			"watch":          m.watchRun,
			"delete thread":  m.deleteThread,
			"wait":           m.wait,
			"restart":        func(*rapid.T) { w.stop(); w.start() },
			"crash":          func(*rapid.T) { w.crash() },
		})
		m.end()
	})
	w.t, w.ctx = t, t.Context()
	require.NotContains(t, w.logs.String(), "a fault while")
}

// outcomes are what a model call can come to.
var outcomes = []string{"text", "calls", "both", "length", "filter", "error", "partial", "overflow", "hang", "hang after text"}

// plans hands each run its outcomes; the run is known by its instructions.
type plans struct {
	byName map[string][]string
	made   int
}

// turn plays the next outcome of a run; every text is said once in the whole
// test. The script's lock is held.
func (p *plans) turn(req chat.Request) turn {
	name := req.Messages[0].Content[0].Text
	p.made++
	text := fmt.Sprintf("%s says %d", name, p.made)
	outcome := "text"
	if left := p.byName[name]; len(left) > 0 {
		outcome, p.byName[name] = left[0], left[1:]
	}
	switch outcome {
	case "calls":
		return calls("add", "sub")
	case "both":
		return saysAndCalls(text, "add")
	case "search":
		return seeks(text)
	case "search and call":
		return calls(filesearch.Name, "add")
	case "cite":
		return says("【4:0†foods.txt】 ", text, "【4:", "1】", "【7:7†x】")
	case "length":
		return ends(chat.FinishLength, text)
	case "filter":
		return ends(chat.FinishContentFilter, text)
	case "error":
		return fails(chat.RateLimitExceeded, "slow down")
	case "partial":
		return fails(chat.ServerError, "broken", text)
	case "overflow":
		return overflows()
	case "hang":
		return hangs()
	case "hang after text":
		return hangs(text)
	}
	return says(text)
}

// machine is what the client knows: what was acknowledged.
type machine struct {
	*world
	plans   *plans
	threads []*knownThread
}

type knownThread struct {
	id       string
	timeline []string // ids of messages and runs, in the order of their acknowledgement
	runs     []*knownRun
}

type knownRun struct {
	*runs.Run // as it was seen last
	hangs     bool
	metadata  wire.Metadata
}

func (m *machine) anyThread(t *rapid.T) *knownThread {
	if len(m.threads) == 0 {
		t.Skip("no thread yet")
	}
	return rapid.SampledFrom(m.threads).Draw(t, "thread")
}

// anyRun prefers recent runs: they are the ones in motion.
func (m *machine) anyRun(t *rapid.T) *knownRun {
	th := m.anyThread(t)
	if len(th.runs) == 0 {
		t.Skip("no run yet")
	}
	return th.runs[len(th.runs)-1-rapid.IntRange(0, min(1, len(th.runs)-1)).Draw(t, "run")]
}

// refused lets only an answer of the API pass for an error.
func (m *machine) refused(err error, words ...string) bool {
	if err == nil {
		return false
	}
	var apiErr *wire.Error
	require.ErrorAs(m.t, err, &apiErr)
	require.True(m.t, slices.ContainsFunc(words, func(w string) bool { return strings.Contains(apiErr.Message, w) }), apiErr.Message)
	return true
}

func (m *machine) createThread(*rapid.T) {
	if len(m.threads) < 4 {
		m.threads = append(m.threads, &knownThread{id: m.thread()})
	}
}

// onBusy draws what is to become of what comes while a run is active.
func onBusy(t *rapid.T) threads.OnBusy {
	return rapid.SampledFrom([]threads.OnBusy{threads.Reject, threads.Enqueue, threads.Enqueue, threads.Interrupt}).Draw(t, "on busy")
}

func (m *machine) addMessage(t *rapid.T) {
	th := m.anyThread(t)
	id, err := m.sayBusy(th.id, onBusy(t), "user's")
	if !m.refused(err, "Can't add messages") {
		th.timeline = append(th.timeline, id)
	}
}

func (m *machine) deleteMessage(t *rapid.T) {
	th := m.anyThread(t)
	for i, id := range th.timeline {
		if strings.HasPrefix(id, "msg_") {
			require.NoError(m.t, m.world.threads.DeleteMessage(m.ctx, project, th.id, id))
			th.timeline = slices.Delete(th.timeline, i, i+1)
			return
		}
	}
}

func (m *machine) createRun(t *rapid.T) {
	th := m.anyThread(t)
	plan := rapid.SliceOfN(rapid.SampledFrom(outcomes), 0, 4).Draw(t, "outcomes")
	m.model.mu.Lock()
	name := fmt.Sprintf("plan %d", len(m.plans.byName))
	m.plans.byName[name] = plan
	m.model.mu.Unlock()
	r, log, err := m.createBusy(th.id, onBusy(t), `"instructions":`+quote(name), fmt.Sprintf(`"stream":%t`, rapid.Bool().Draw(t, "stream")))
	if m.refused(err, "already has an active run") {
		return
	}
	if log != nil {
		go read(log) // goleak tells when it has no end
	}
	hangs := slices.Contains(plan, "hang") || slices.Contains(plan, "hang after text")
	th.runs = append(th.runs, &knownRun{Run: r, hangs: hangs, metadata: wire.Metadata{}})
	th.timeline = append(th.timeline, r.ID)
}

func (m *machine) submitOutputs(t *rapid.T) {
	r := m.anyRun(t)
	outputs := make([]string, len(pending(m.get(r.Run))))
	if len(outputs) == 0 {
		t.Skip("nothing is asked")
	}
	if rapid.IntRange(0, 9).Draw(t, "complete") == 0 {
		_, _, err := m.submit(m.get(r.Run), false, outputs[1:]...)
		require.True(m.t, m.refused(err, "Expected tool outputs", "do not accept"))
		return
	}
	_, log, err := m.submit(m.get(r.Run), rapid.Bool().Draw(t, "stream"), outputs...)
	require.False(m.t, m.refused(err, "nothing may be refused here"))
	if log != nil {
		go read(log)
	}
}

func (m *machine) cancelRun(t *rapid.T) {
	r := m.anyRun(t)
	answer, err := m.cancel(r.Run)
	if !m.refused(err, "Cannot cancel run with status") {
		require.Contains(m.t, []runs.Status{runs.Cancelling, runs.Cancelled}, answer.Status)
	}
}

// watchRun follows a run to wherever its stream ends.
func (m *machine) watchRun(t *rapid.T) {
	s := m.watch(m.anyRun(t).Run, rapid.IntRange(0, 2).Draw(t, "after"))
	go read(s) // goleak tells when it has no end
}

func (m *machine) modifyRun(t *rapid.T) {
	r := m.anyRun(t)
	metadata := wire.Metadata{"k": fmt.Sprint(rapid.IntRange(0, 99).Draw(t, "value"))}
	_, err := m.runs.Modify(m.ctx, project, r.ThreadID, r.ID, metadata, wire.V2)
	require.NoError(m.t, err)
	r.metadata = metadata
}

func (m *machine) deleteThread(t *rapid.T) {
	if rapid.IntRange(0, 4).Draw(t, "really") > 0 {
		t.Skip("rarely")
	}
	th := m.anyThread(t)
	require.NoError(m.t, m.runs.DeleteThread(m.ctx, project, th.id))
	_, err := m.runs.List(m.ctx, project, th.id, everything)
	require.True(m.t, m.refused(err, "No thread found"))
	m.threads = slices.DeleteFunc(m.threads, func(other *knownThread) bool { return other == th })
}

// wait gives a run that can come to a rest the time to.
func (m *machine) wait(t *rapid.T) {
	if r := m.anyRun(t); !r.hangs && m.first(r) && m.driven(r) {
		m.rest(r)
	}
}

// first reports whether no other run keeps this one waiting for their thread.
func (m *machine) first(r *knownRun) bool {
	for _, th := range m.threads {
		if i := slices.Index(th.runs, r); i >= 0 {
			return !slices.ContainsFunc(th.runs[:i], func(before *knownRun) bool { return before.Status.Active() })
		}
	}
	return true
}

// driven reports whether no other run may keep this one waiting for a place.
func (m *machine) driven(*knownRun) bool {
	hanging := 0
	for _, th := range m.threads {
		for _, r := range th.runs {
			if r.hangs && r.Status.Active() {
				hanging++
			}
		}
	}
	return hanging < 3
}
