package webhooks_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"understudy/api/wire"
	"understudy/api/wire/wiretest"
	"understudy/runs"
	"understudy/runs/webhooks"
	"understudy/store"
	"understudy/threads"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	project  = "p"
	secret   = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	hidden   = "zebra-4711" // what nothing may show
	endpoint = "https://app.example.com/hooks/" + hidden
)

// attempt is what an endpoint was sent.
type attempt struct {
	url    string
	header http.Header
	body   string
	event  webhooks.Event
	run    runs.Run
	at     time.Time
}

// internet plays the endpoints: answer decides what each attempt meets.
type internet struct {
	answer func(attempt) (status int, header http.Header)
	came   chan attempt

	mu   sync.Mutex
	list []attempt
}

func newInternet() *internet {
	return &internet{answer: func(attempt) (int, http.Header) { return http.StatusOK, nil }, came: make(chan attempt, 1000)}
}

// RoundTrip implements http.RoundTripper.
func (i *internet) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	a := attempt{url: r.URL.String(), header: r.Header, body: string(body), at: time.Now()}
	if err := json.Unmarshal(body, &a.event); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(a.event.Data, &a.run); err != nil {
		return nil, err
	}
	i.mu.Lock()
	i.list = append(i.list, a)
	i.mu.Unlock()
	i.came <- a
	status, header := i.answer(a)
	if status == 0 {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader("thanks")), Request: r}, nil
}

func (i *internet) attempts() []attempt {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]attempt{}, i.list...)
}

// types are the events so far, as run and status.
func (i *internet) types() []string {
	var list []string
	for _, a := range i.attempts() {
		list = append(list, a.run.ID+" "+strings.TrimPrefix(a.event.Type, "thread.run."))
	}
	return list
}

// outcomes counts how attempts ended.
type outcomes struct {
	mu    sync.Mutex
	count map[string]int
}

func (o *outcomes) Attempted(outcome string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.count == nil {
		o.count = map[string]int{}
	}
	o.count[outcome]++
}

func (o *outcomes) counted() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	seen := map[string]int{}
	for k, v := range o.count {
		seen[k] = v
	}
	return seen
}

// world is a database file, the service on it, and the internet.
type world struct {
	*testing.T
	dir      string
	config   webhooks.Config
	options  webhooks.Options
	stored   func(webhooks.Store) webhooks.Store // wraps the store that the service sees; nil = nothing does
	internet *internet
	seen     *outcomes
	logs     *wiretest.Log

	db      *store.DB
	service *webhooks.Service
	runs    runs.Store
}

// all is a configuration that tells one endpoint of everything there is.
func all() webhooks.Config {
	return webhooks.Config{Endpoints: []webhooks.Endpoint{{URL: endpoint, Secret: secret, Events: webhooks.Statuses()}}}
}

func open(t *testing.T, c webhooks.Config) *world {
	w := &world{T: t, dir: t.TempDir(), config: c, internet: newInternet(), seen: &outcomes{}, logs: &wiretest.Log{}}
	w.options = webhooks.Options{Transport: w.internet, Agent: "Understudy/test", Grace: 20 * time.Second}
	w.start()
	t.Cleanup(w.stop)
	return w
}

func (w *world) start() {
	w.begin()
	w.service.Start()
}

// begin opens everything and sends nothing yet.
func (w *world) begin() {
	var err error
	logger := slog.New(slog.NewTextHandler(w.logs, nil))
	w.db, err = store.Open(context.WithoutCancel(w.Context()), store.Options{Dir: w.dir, Durability: store.Normal, Logger: logger})
	require.NoError(w, err)
	o := w.options
	o.Store, o.Observer, o.Logger = w.db, w.seen, logger
	if w.stored != nil {
		o.Store = w.stored(w.db)
	}
	w.service, err = webhooks.New(o, w.config)
	require.NoError(w, err)
	w.runs = w.service.Runs(w.db)
}

func (w *world) stop() {
	w.service.Stop()
	require.NoError(w, w.db.Close())
}

func (w *world) restart() {
	w.stop()
	w.start()
}

// run makes a queued run in a thread of its own; own is the URL it names.
func (w *world) run(id, own string) { w.runOf(project, id, own) }

func (w *world) runOf(project, id, own string) {
	thread := "thread_" + id
	_, err := w.runs.CreateRun(w.Context(), project, runs.NewRun{
		Run:    &runs.Run{ID: id, ThreadID: thread, Object: "thread.run", Status: runs.Queued, Metadata: wire.Metadata{"user": "42"}},
		Thread: &threads.Thread{ID: thread}, Webhook: own,
	})
	require.NoError(w, err)
}

// moves brings a run to a state.
func (w *world) moves(id string, to runs.Status) { w.movesOf(project, id, to) }

func (w *world) movesOf(project, id string, to runs.Status) {
	_, err := w.runs.ChangeRun(w.Context(), project, "thread_"+id, id, func(r *runs.Record) (*runs.Change, error) {
		r.Run.Status = to
		if to != runs.Queued && r.Run.StartedAt == nil {
			r.Run.StartedAt = wire.Ptr(int64(7))
		}
		return &runs.Change{Run: r.Run}, nil
	})
	require.NoError(w, err)
}

// waiting is what the list of undelivered events shows, by run and status.
func (w *world) waiting() map[string]string {
	list, err := w.service.Waiting(w.Context(), project, webhooks.Query{Page: wire.Page{Limit: 100}})
	require.NoError(w, err)
	shown := map[string]string{}
	for _, item := range list.Items {
		var d struct {
			Type, Status, Endpoint string
			RunID                  string `json:"run_id"`
			LastError              string `json:"last_error"`
		}
		require.NoError(w, json.Unmarshal(item.JSON, &d))
		require.NotContains(w, string(item.JSON), hidden)
		shown[d.RunID+" "+strings.TrimPrefix(d.Type, "thread.run.")] = strings.TrimSpace(d.Status + " " + d.LastError)
	}
	return shown
}

// next waits for an attempt.
func (w *world) next() attempt { return <-w.internet.came }
