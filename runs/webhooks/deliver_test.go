package webhooks_test

import (
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/stretchr/testify/require"

	"understudy/runs"
	"understudy/runs/webhooks"
)

// TestEvent looks at what an endpoint is sent, with the eyes of OpenAI's SDK.
func TestEvent(t *testing.T) {
	w := open(t, all())
	w.run("run_a", "")
	a := w.next()
	require.Equal(t, endpoint, a.url)
	require.Equal(t, "application/json", a.header.Get("Content-Type"))
	require.Equal(t, "Understudy/test", a.header.Get("User-Agent"))
	require.Equal(t, a.event.ID, a.header.Get("Webhook-Id"))
	require.Regexp(t, `^evt_[A-Za-z0-9]{24}$`, a.event.ID)
	require.Equal(t, "event", a.event.Object)
	require.InDelta(t, time.Now().Unix(), a.event.CreatedAt, 60)
	sent, err := strconv.ParseInt(a.header.Get("Webhook-Timestamp"), 10, 64)
	require.NoError(t, err)
	require.InDelta(t, time.Now().Unix(), sent, 60)
	stored, err := w.db.Run(t.Context(), project, "thread_run_a", "run_a")
	require.NoError(t, err)
	require.Equal(t, string(stored), string(a.event.Data), "the run as the API shows it")

	client := openai.NewClient(option.WithAPIKey("none"), option.WithWebhookSecret(secret))
	event, err := client.Webhooks.Unwrap([]byte(a.body), a.header)
	require.NoError(t, err)
	require.Equal(t, "thread.run.queued", event.Type)
	require.Equal(t, "run_a", event.Data.ID)
	_, err = client.Webhooks.Unwrap([]byte(a.body+" "), a.header)
	require.ErrorContains(t, err, "signature")
}

// TestWhoIsTold: endpoints choose projects and states; a run names one more.
func TestWhoIsTold(t *testing.T) {
	const own = "https://own.example.com/x"
	w := open(t, webhooks.Config{
		Endpoints: []webhooks.Endpoint{
			{URL: "https://settled.example.com", Secret: secret},
			{URL: "https://ends.example.com", Secret: secret, Events: []runs.Status{runs.Completed}},
			{URL: "https://other.example.com", Secret: secret, Project: "q"},
		},
	})
	story := func(project, id string) {
		w.runOf(project, id, "")
		w.movesOf(project, id, runs.InProgress)
		w.movesOf(project, id, runs.InProgress) // another turn
		w.movesOf(project, id, runs.RequiresAction)
		w.movesOf(project, id, runs.Queued)
		w.movesOf(project, id, runs.Completed)
	}
	story("p", "run_p")
	story("q", "run_q")
	told := map[string]bool{}
	for range 8 {
		a := w.next()
		told[a.url+" "+a.run.ID+" "+string(a.run.Status)] = true
	}
	require.Equal(t, map[string]bool{
		"https://settled.example.com run_p requires_action": true,
		"https://settled.example.com run_p completed":       true,
		"https://ends.example.com run_p completed":          true,
		"https://settled.example.com run_q requires_action": true,
		"https://settled.example.com run_q completed":       true,
		"https://ends.example.com run_q completed":          true,
		"https://other.example.com run_q requires_action":   true,
		"https://other.example.com run_q completed":         true,
	}, told)
	w.service.Stop()
	require.Len(t, w.internet.attempts(), 8)
	require.Empty(t, w.waiting())
	require.Error(t, w.service.CheckURL(own))
}

// TestNothingIsStoredForNobody: without an endpoint there is no row.
func TestNothingIsStoredForNobody(t *testing.T) {
	w := open(t, webhooks.Config{Endpoints: []webhooks.Endpoint{{URL: endpoint, Secret: secret, Project: "q"}}})
	w.service.Stop()
	w.run("run_a", "")
	w.moves("run_a", runs.Completed)
	pending, dead, err := w.db.UndeliveredWebhooks(t.Context())
	require.NoError(t, err)
	require.Zero(t, pending+dead)
}

// TestRetries follows the schedule to its end, and to a success before it.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, all())
		w.internet.answer = func(a attempt) (int, http.Header) {
			if a.run.ID == "run_b" && len(w.internet.attempts()) > webhooks.MaxAttempts+2 {
				return http.StatusNoContent, nil
			}
			return http.StatusInternalServerError, nil
		}
		w.run("run_a", "")
		for range webhooks.MaxAttempts {
			w.next()
		}
		synctest.Wait()
		attempts := w.internet.attempts()
		for i, planned := range webhooks.Waits() {
			gap := attempts[i+1].at.Sub(attempts[i].at)
			require.GreaterOrEqual(t, gap, planned)
			require.Less(t, gap, planned+planned/10+time.Second)
			require.Equal(t, attempts[0].event.ID, attempts[i+1].header.Get("Webhook-Id"), "the event stays the same")
			require.NotEqual(t, attempts[i].header.Get("Webhook-Timestamp"), attempts[i+1].header.Get("Webhook-Timestamp"), "it is signed anew")
			require.NotEqual(t, attempts[i].header.Get("Webhook-Signature"), attempts[i+1].header.Get("Webhook-Signature"))
		}
		require.Equal(t, map[string]string{"run_a queued": "dead HTTP status 500"}, w.waiting())
		require.Equal(t, map[string]int{"failed": webhooks.MaxAttempts - 1, "dead": 1}, w.seen.counted())
		require.Contains(t, w.logs.String(), "a webhook could not be delivered and is given up")
		require.Contains(t, w.logs.String(), "endpoint=https://app.example.com attempts=10")

		w.run("run_b", "")
		for range 3 {
			w.next()
		}
		synctest.Wait()
		require.Equal(t, map[string]string{"run_a queued": "dead HTTP status 500"}, w.waiting(), "what is delivered is gone")
		require.Len(t, w.internet.attempts(), webhooks.MaxAttempts+3)
		require.NoError(t, w.service.Expire(t.Context()))
		require.Len(t, w.waiting(), 1)
		time.Sleep(31 * 24 * time.Hour)
		require.NoError(t, w.service.Expire(t.Context()))
		require.Empty(t, w.waiting())
		require.NotContains(t, w.logs.String(), hidden)
	})
}

// TestAnswers: what an answer's status makes of a delivery.
func TestAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		header http.Header
		want   string
		least  time.Duration // until the next attempt
	}{
		"taken":            {200, nil, "", 0},
		"taken, accepted":  {202, nil, "", 0},
		"gone":             {410, nil, "dead HTTP status 410: the endpoint wants no more of it", 0},
		"moved":            {301, http.Header{"Location": {"https://elsewhere.example.com/"}}, "pending HTTP status 301: redirects are not followed", 5 * time.Second},
		"see other":        {303, http.Header{"Location": {"http://127.0.0.1/"}}, "pending HTTP status 303: redirects are not followed", 5 * time.Second},
		"not found":        {404, nil, "pending HTTP status 404", 5 * time.Second},
		"busy":             {429, http.Header{"Retry-After": {"60"}}, "pending HTTP status 429", time.Minute},
		"busy for ages":    {503, http.Header{"Retry-After": {"99999999999"}}, "pending HTTP status 503", 24 * time.Hour},
		"busy until a day": {503, http.Header{"Retry-After": {"Fri, 31 Dec 1999 23:59:59 GMT"}}, "pending HTTP status 503", 5 * time.Second},
		"silent":           {0, nil, "pending no answer within 15s", 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := open(t, all())
				var tries atomic.Int64
				w.internet.answer = func(attempt) (int, http.Header) {
					if tries.Add(1) > 1 {
						return http.StatusOK, nil
					}
					return tc.status, tc.header
				}
				w.run("run_a", "")
				first := w.next()
				if tc.status == 0 {
					time.Sleep(16 * time.Second)
				}
				synctest.Wait()
				if tc.want == "" {
					require.Empty(t, w.waiting())
					return
				}
				require.Equal(t, map[string]string{"run_a queued": tc.want}, w.waiting())
				if tc.least == 0 {
					return
				}
				again := w.next()
				require.Equal(t, first.url, again.url)
				require.GreaterOrEqual(t, again.at.Sub(first.at), tc.least)
				require.Less(t, again.at.Sub(first.at), tc.least+tc.least/10+17*time.Second)
			})
		})
	}
}

// TestOrder: the events of a run wait for the one before; other runs do not.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, all())
		w.internet.answer = func(a attempt) (int, http.Header) {
			if a.run.ID == "run_a" && a.run.Status == runs.Queued && len(w.internet.attempts()) < 8 {
				return http.StatusBadGateway, nil
			}
			return http.StatusOK, nil
		}
		w.run("run_a", "")
		w.moves("run_a", runs.Completed) // which says that it began, too
		w.run("run_b", "")
		w.moves("run_b", runs.RequiresAction)
		w.moves("run_b", runs.Cancelling)
		w.moves("run_b", runs.Cancelled)
		time.Sleep(time.Second)
		synctest.Wait()
		b := []string{"run_b queued", "run_b in_progress", "run_b requires_action", "run_b cancelling", "run_b cancelled"}
		of := func(run string) []string {
			return slices.DeleteFunc(w.internet.types(), func(s string) bool { return s[:5] != run })
		}
		require.Equal(t, b, of("run_b"))
		require.Equal(t, []string{"run_a queued"}, of("run_a"))
		require.Equal(t, map[string]string{"run_a queued": "pending HTTP status 502", "run_a in_progress": "pending", "run_a completed": "pending"}, w.waiting())

		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, []string{"run_a queued", "run_a queued", "run_a queued", "run_a in_progress", "run_a completed"}, of("run_a"))
		require.Empty(t, w.waiting())
	})
}

// TestDeadEventLetsTheNextGo: what is given up does not hold up its run.
func TestDeadEventLetsTheNextGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, all())
		w.internet.answer = func(a attempt) (int, http.Header) {
			if a.run.Status == runs.Queued {
				return http.StatusGone, nil
			}
			return http.StatusOK, nil
		}
		w.run("run_a", "")
		w.moves("run_a", runs.Failed)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, []string{"run_a queued", "run_a in_progress", "run_a failed"}, w.internet.types())
		require.Equal(t, map[string]string{"run_a queued": "dead HTTP status 410: the endpoint wants no more of it"}, w.waiting())
	})
}
