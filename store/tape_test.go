package store

import (
	"bytes"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/runs"
	"understudy/threads"
)

// taper puts model calls on the tape.
type taper struct {
	t  testing.TB
	db *DB
}

// thread makes a thread with a run of each id.
func (w taper) thread(id string, runIDs ...string) {
	w.t.Helper()
	_, err := w.db.CreateThread(w.t.Context(), "p", &threads.Thread{ID: id}, nil, nil)
	require.NoError(w.t, err)
	for _, runID := range runIDs {
		_, err := w.db.CreateRun(w.t.Context(), "p", runs.NewRun{Run: &runs.Run{ID: runID, ThreadID: id, Status: runs.Completed}})
		require.NoError(w.t, err)
	}
}

// call adds a call that ended at a second.
func (w taper) call(threadID, runID string, ended int64, call runs.ModelCall) {
	w.t.Helper()
	call.EndedAt = time.Unix(ended, 0).UTC()
	w.db.Seal(threadID, &call)
	_, err := w.db.ChangeRun(w.t.Context(), "p", threadID, runID, func(r *runs.Record) (*runs.Change, error) {
		return &runs.Change{Run: r.Run, Calls: []*runs.ModelCall{&call}}, nil
	})
	require.NoError(w.t, err)
}

// requests reads the requests of a run back.
func (w taper) requests(threadID, runID string) []string {
	w.t.Helper()
	calls, err := w.db.ModelCalls(w.t.Context(), "p", threadID, runID)
	require.NoError(w.t, err)
	requests := []string{}
	for _, c := range calls {
		requests = append(requests, string(c.Request))
	}
	return requests
}

// size is what the tape occupies, counted row by row.
func (w taper) size() int64 {
	w.t.Helper()
	var calls, parts int64
	require.NoError(w.t, w.db.QueryRow(w.t.Context(), `SELECT
		COALESCE((SELECT SUM(250 + length(meta) + length(messages) + length(request) + length(response)) FROM model_calls), 0),
		COALESCE((SELECT SUM(130 + length(body)) FROM prompt_messages), 0)`).Scan(&calls, &parts))
	counted, err := w.db.TapeSize(w.t.Context())
	require.NoError(w.t, err)
	require.Equal(w.t, calls+parts, counted, "the calls' sizes add up to what there is")
	return counted
}

func (w taper) sweep(now int64, limits TapeLimits) int {
	w.t.Helper()
	removed, err := w.db.SweepTape(w.t.Context(), time.Unix(now, 0), limits)
	require.NoError(w.t, err)
	return removed
}

func newTaper(t testing.TB) taper {
	t.Helper()
	return taper{t, reopen(t, Options{Dir: t.TempDir(), Durability: Normal})}
}

// conversation is a request with messages n to m.
func conversation(from, to int) json.RawMessage {
	var messages []string
	for i := from; i <= to; i++ {
		messages = append(messages, fmt.Sprintf(`{"role":"user","content":"message number %d"}`, i))
	}
	return json.RawMessage(`{"model":"m","messages":[` + strings.Join(messages, ",") + `],"stream":true}`)
}

func TestPack(t *testing.T) {
	noise := make([]byte, 5000)
	_, _ = rand.Read(noise)
	for name, body := range map[string][]byte{
		"nothing": {}, "short": []byte("{}"), "long": bytes.Repeat([]byte("data: {}\n\n"), 500), "noise": noise,
		"a frame's beginning": append(bytes.Clone(frameMagic), 1, 2, 3), "frame": pack(bytes.Repeat([]byte("a"), 999)),
	} {
		packed := pack(body)
		require.NotNil(t, packed, name)
		unpacked, err := unpack(damageSeen{}, packed)
		require.NoError(t, err, name)
		require.Equal(t, body, unpacked, name)
		require.LessOrEqual(t, len(packed), len(body)+16, name)
	}
	require.Less(t, len(pack(bytes.Repeat([]byte("data: {}\n\n"), 500))), 100)
	require.NotNil(t, pack(nil))
	_, err := unpack(damageSeen{}, append(bytes.Clone(frameMagic), 0xff, 0xff))
	require.ErrorContains(t, err, "unpack a body of the tape")
}

func TestSplitRequest(t *testing.T) {
	for request, want := range map[string][]string{
		`{"messages":[{"a":"]}\\\""},"x\"",3,null,[1,[2]]],"n":{"messages":[1]}}`: {`{"a":"]}\\\""}`, `"x\""`, "3", "null", "[1,[2]]"},
		`{"n":{"messages":[1]},"messages":[2]}`:                                   {"2"},
		`{"messages":[]}`:                                                         {},
		`{"messages":[ 1 ]}`:                                                      {" 1 "},
		`{"messages": [1]}`:                                                       nil,
		`{"messages":null}`:                                                       nil,
		`{"messages":"[1]"}`:                                                      nil,
		`{"input":"messages"}`:                                                    nil,
		`["messages",[1]]`:                                                        nil,
		`{"messages":[1`:                                                          nil,
		`{"messages":["1`:                                                         nil,
		`{"mess`:                                                                  nil,
		`{`:                                                                       nil,
		``:                                                                        nil,
	} {
		rest, at, messages := splitRequest([]byte(request))
		if want == nil {
			require.Zero(t, at, request)
			require.Equal(t, request, string(rest))
			continue
		}
		got := []string{}
		for _, m := range messages {
			got = append(got, string(m))
		}
		require.Equal(t, want, got, request)
		require.Equal(t, request, string(rest[:at])+string(joinMessages(messages))+string(rest[at:]))
	}
}

// TestALongThreadIsTapedInLinearSpace runs a thread of a thousand messages a
// hundred times, each run adding two, and one of ten thousand: what a run costs
// does not depend on the length of its thread.
func TestALongThreadIsTapedInLinearSpace(t *testing.T) {
	perRun := func(messages int) int64 {
		w := newTaper(t)
		w.thread("thread_1", "run_1")
		sizes := []int64{}
		for i := range 101 {
			if i == 50 {
				w.db.tails.clear() // as after a restart
			}
			w.call("thread_1", "run_1", int64(i+1), runs.ModelCall{Request: conversation(1, messages+2*i), Response: runs.Transcript("data: {}\n\n")})
			sizes = append(sizes, w.size())
		}
		requests := w.requests("thread_1", "run_1")
		for i, request := range requests {
			require.Equal(t, string(conversation(1, messages+2*i)), request)
		}
		first, second := sizes[50]-sizes[0], sizes[100]-sizes[50]
		require.InDelta(t, first, second, float64(first)/4, "%d messages: the second fifty runs cost what the first did", messages)
		t.Logf("%d messages: %d bytes for each of 100 runs", messages, (sizes[100]-sizes[0])/100)
		return (sizes[100] - sizes[0]) / 100
	}
	short, long, longer := perRun(100), perRun(1000), perRun(10_000)
	require.Less(t, long, int64(4096))
	require.Less(t, longer, 2*short+1024)
}

// TestAMovingWindowSharesItsStretches has truncation take from the front what
// each call adds at the end.
func TestAMovingWindowSharesItsStretches(t *testing.T) {
	w := newTaper(t)
	w.thread("thread_1", "run_1")
	w.call("thread_1", "run_1", 1, runs.ModelCall{Request: conversation(1, 500)})
	before := w.size()
	for i := 1; i <= 20; i++ {
		w.call("thread_1", "run_1", 1, runs.ModelCall{Request: conversation(1+5*i, 500+5*i)})
	}
	require.Less(t, (w.size()-before)/20, int64(6000))
	require.Equal(t, string(conversation(101, 600)), w.requests("thread_1", "run_1")[20])
}

func TestToolsAreTapedOnce(t *testing.T) {
	w := newTaper(t)
	w.thread("thread_1", "run_1")
	request := func(i int) json.RawMessage {
		return json.RawMessage(fmt.Sprintf(`{"tools":[%s],"messages":[%d]}`, strings.Repeat(`{"name":"f"},`, 200)+`{}`, i))
	}
	for i := range 10 {
		w.call("thread_1", "run_1", 1, runs.ModelCall{Request: request(i)})
	}
	require.Less(t, w.size(), int64(10*1000))
	for i, got := range w.requests("thread_1", "run_1") {
		require.Equal(t, string(request(i)), got)
	}
}

// TestTapeOfAnOlderSchema is read and swept like a new one.
func TestTapeOfAnOlderSchema(t *testing.T) {
	dir := t.TempDir()
	pool, err := sql.Open("sqlite", writerDSN(filepath.Join(dir, databaseFile), Normal))
	require.NoError(t, err)
	provider, err := migrator(pool)
	require.NoError(t, err)
	_, err = provider.UpTo(t.Context(), 9)
	require.NoError(t, err)
	a, b := []byte(`{"a":1}`), []byte(`{"b":2}`)
	ha, hb := hashOf(a), hashOf(b)
	for _, s := range []struct {
		query string
		args  []any
	}{
		{"INSERT INTO threads (project_id, id, body) VALUES ('p', 'thread_1', '{}')", nil},
		{"INSERT INTO runs (thread_id, seq, project_id, id, active, runnable, lease_owner, lease_until, epoch, upstream, spent, body) VALUES ('thread_1', 1, 'p', 'run_1', 0, 0, '', 0, 0, '', '{}', '{}')", nil},
		{"INSERT INTO prompt_messages (thread_id, hash, body) VALUES ('thread_1', $1, $2), ('thread_1', $3, $4)", []any{ha[:], a, hb[:], b}},
		{
			"INSERT INTO model_calls (run_id, seq, project_id, thread_id, meta, request, split_at, messages, response) VALUES ('run_1', 1, 'p', 'thread_1', $1, $2, 12, $3, $4)",
			[]any{`{"turn":1,"retries":2,"ended_at":"2026-01-02T03:04:05.678901+01:00"}`, []byte(`{"messages":}`), append(ha[:], hb[:]...), []byte("answer")},
		},
	} {
		_, err := pool.ExecContext(t.Context(), s.query, s.args...)
		require.NoError(t, err, s.query)
	}
	require.NoError(t, pool.Close())

	w := taper{t, reopen(t, Options{Dir: dir, Durability: Normal})}
	require.Equal(t, []string{`{"messages":[{"a":1},{"b":2}]}`}, w.requests("thread_1", "run_1"))
	calls, err := w.db.ModelCalls(t.Context(), "p", "thread_1", "run_1")
	require.NoError(t, err)
	require.Equal(t, "answer", string(calls[0].Response))
	require.Empty(t, calls[0].Retries)
	w.size()
	ended := time.Date(2026, 1, 2, 2, 4, 5, 0, time.UTC).Unix()
	limits := TapeLimits{Keep: time.Second}
	require.Zero(t, w.sweep(ended+1, limits))
	require.Equal(t, 1, w.sweep(ended+2, limits))
	require.Zero(t, w.size())
}

func BenchmarkSeal(b *testing.B) {
	for name, call := range map[string]runs.ModelCall{
		"flow":   {Request: conversation(1, 10), Response: runs.Transcript(strings.Repeat(`data: {"id":"x","choices":[{"index":0,"delta":{"content":"hello"}}]}`+"\n\n", 20))},
		"long":   {Request: conversation(1, 1000), Response: runs.Transcript(strings.Repeat(`data: {"id":"x","choices":[{"index":0,"delta":{"content":"hello"}}]}`+"\n\n", 20))},
		"answer": {Request: conversation(1, 10), Response: runs.Transcript(strings.Repeat(`data: {"id":"x","choices":[{"index":0,"delta":{"content":"hello"}}]}`+"\n\n", 2000))},
	} {
		sealed, err := seal(&call, nil)
		require.NoError(b, err)
		stored := splitHashes(sentParts(sealed.messages))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				if _, err := seal(&call, stored); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
