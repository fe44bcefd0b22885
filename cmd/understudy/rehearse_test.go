package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/runs"
)

func TestJudge(t *testing.T) {
	call := func(name, arguments string) []runs.DiffCall {
		return []runs.DiffCall{{Name: name, Arguments: arguments}}
	}
	same := runs.DiffCalls{Same: true, SameNames: true}
	for name, c := range map[string]struct {
		diff    runs.Diff
		reasons []string
		weight  float64
	}{
		"the same": {runs.Diff{ToolCalls: same, Text: runs.DiffText{Words: runs.Words{Same: true, Kept: 4}}}, []string{}, 0},
		"other words": {
			runs.Diff{ToolCalls: same, Text: runs.DiffText{Words: runs.Words{Kept: 1, Removed: 1, Added: 3}}}, []string{}, 0.75,
		},
		"other arguments": {
			runs.Diff{ToolCalls: runs.DiffCalls{SameNames: true, A: call("f", "1"), B: call("f", "2")}}, []string{"other arguments: f(1) -> f(2)"}, 2,
		},
		"a call less": {runs.Diff{ToolCalls: runs.DiffCalls{A: call("f", "1")}}, []string{"other tool calls: f(1) -> no call"}, 4},
		"no JSON any more": {
			runs.Diff{ToolCalls: same, A: runs.DiffRun{Status: runs.Completed}, B: runs.DiffRun{Status: runs.Completed}, JSON: runs.DiffJSON{Expected: true, A: true}}, []string{"the answer is no valid JSON"}, 8,
		},
		"no JSON before": {runs.Diff{ToolCalls: same, JSON: runs.DiffJSON{Expected: true}}, []string{}, 0},
		"it failed": {
			runs.Diff{
				ToolCalls: same, JSON: runs.DiffJSON{Expected: true, A: true},
				A: runs.DiffRun{Status: runs.Completed}, B: runs.DiffRun{Status: runs.Failed, LastError: &runs.LastError{Message: "no"}},
			},
			[]string{"ended failed: no"},
			16,
		},
		"it was cut off": {
			runs.Diff{
				ToolCalls: same, A: runs.DiffRun{Status: runs.Completed},
				B: runs.DiffRun{Status: runs.Incomplete, IncompleteDetails: &runs.IncompleteDetails{Reason: "content_filter"}},
			},
			[]string{"ended incomplete: content_filter"},
			16,
		},
		"it had failed before": {
			runs.Diff{ToolCalls: same, A: runs.DiffRun{Status: runs.Failed}, B: runs.DiffRun{Status: runs.Completed}}, []string{}, 0,
		},
		"it stopped": {
			runs.Diff{A: runs.DiffRun{Status: runs.Completed}, B: runs.DiffRun{Status: runs.Failed, UnrecordedCall: &call("g", "{}")[0]}},
			[]string{"stopped at a call that was never recorded: g({})"},
			8,
		},
	} {
		t.Run(name, func(t *testing.T) {
			one := judge(rehearsed{diff: &c.diff})
			require.Equal(t, c.reasons, one.Reasons)
			require.Equal(t, len(c.reasons) == 0, one.Held)
			require.InDelta(t, c.weight, one.weight, 1e-9)
		})
	}
}

func TestReportTolerates(t *testing.T) {
	for name, c := range map[string]struct {
		report report
		worse  bool
	}{
		"all hold":       {report{Rehearsed: 4, Held: 4}, false},
		"one does not":   {report{Rehearsed: 4, Held: 3}, true},
		"as is allowed":  {report{Rehearsed: 4, Held: 3, tolerate: 25}, false},
		"more than that": {report{Rehearsed: 4, Held: 2, tolerate: 25}, true},
		"nothing at all": {report{tolerate: 100}, true},
	} {
		require.Equal(t, c.worse, c.report.worse(), name)
	}
}

func TestQuantile(t *testing.T) {
	require.Nil(t, quantile(nil, 0.5))
	list := []float64{5, 1, 4, 2, 3}
	for q, want := range map[float64]float64{0.5: 3, 0.95: 5, 1: 5, 0.2: 1} {
		require.InDelta(t, want, *quantile(list, q), 0, "%v", q)
	}
	require.Equal(t, []float64{5, 1, 4, 2, 3}, list)
}

func TestExcerpt(t *testing.T) {
	long := strings.Repeat("word ", 40)
	start, end := strings.Repeat("word ", 8), strings.Repeat("word ", 8)
	for name, c := range map[string]struct{ diff, want string }{
		"short":              {"a [-b-]{+c+} d", "a [-b-]{+c+} d"},
		"unchanged":          {long, long},
		"in the middle":      {long + "[-b-]" + long, "…" + end + "[-b-]" + start + "…"},
		"between":            {"[-a-]" + long + "{+b+}", "[-a-]" + start + " … " + end + "{+b+}"},
		"signs of the text":  {"x [- y", "x [- y"},
		"an end of its own":  {"[-a-] -] b", "[-a-] -] b"},
		"nothing":            {"", ""},
		"letters, not bytes": {strings.Repeat("ä", 100) + "[-b-]", "…" + strings.Repeat("ä", 40) + "[-b-]"},
	} {
		require.Equal(t, c.want, excerpt(c.diff), name)
	}
}

// script answers requests one after the other.
type script struct {
	asked   atomic.Int32
	answers []func(w http.ResponseWriter, r *http.Request)
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	n := int(s.asked.Add(1))
	if n > len(s.answers) {
		return nil, errors.New("connection refused")
	}
	w := httptest.NewRecorder()
	s.answers[n-1](w, r)
	return w.Result(), nil
}

func status(code int, body string, headers ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}
}

// TestRemoteIsPatient: a server that is busy is asked again when it says, with the
// key of the first try; one that refuses is not.
func TestRemoteIsPatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var keys []string
		note := func(then func(http.ResponseWriter, *http.Request)) func(http.ResponseWriter, *http.Request) {
			return func(w http.ResponseWriter, r *http.Request) {
				keys = append(keys, r.Header.Get("Idempotency-Key"))
				then(w, r)
			}
		}
		play := &script{answers: []func(http.ResponseWriter, *http.Request){
			note(status(429, `{"error":{"message":"slow down"}}`, "Retry-After", "5")),
			note(status(503, `no`)),
			note(status(200, `{"id":"run_1","thread_id":"thread_1"}`)),
			status(400, `{"error":{"message":"The requested model 'x' does not exist."}}`),
		}}
		r := newRemote("http://server", "")
		r.http = &http.Client{Transport: play}
		begun := time.Now()
		replay, err := r.replay(t.Context(), pastRun{ID: "run_0", ThreadID: "thread_0"}, "m", "")
		require.NoError(t, err)
		require.Equal(t, "run_1", replay.ID)
		require.Equal(t, 7*time.Second, time.Since(begun), "five, then twice one")
		require.Len(t, keys, 3)
		require.Equal(t, []string{keys[0], keys[0]}, keys[1:])

		_, err = r.replay(t.Context(), pastRun{}, "x", "")
		require.EqualError(t, err, "The requested model 'x' does not exist.")

		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err = r.diff(ctx, "run_0", "run_1")
		require.ErrorContains(t, err, "connection refused", "it was met, and is waited for, but not for ever")
		require.EqualValues(t, 4+maxTries, play.asked.Load())
	})
}
