package runs_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"understudy/api/wire"
	"understudy/api/wire/wiretest"
	"understudy/assistants"
	"understudy/files"
	"understudy/files/vectorstores"
	"understudy/runs"
	"understudy/store"
	"understudy/threads"
)

func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.checks": "30", "rapid.steps": "50"} {
		_ = flag.Set(name, value) // the command line still has the last word
	}
	goleak.VerifyTestMain(m)
}

const project = "default"

// world is a server without HTTP: a real database file, an engine and a
// scripted model.
type world struct {
	t       require.TestingT
	ctx     context.Context
	dir     string
	options worldOptions
	model   *script

	db         *store.DB
	engine     *runs.Engine
	runs       *runs.Service
	threads    *threads.Service
	assistants *assistants.Service
	files      *files.Service
	logs       *wiretest.Log
	assistant  string
}

type worldOptions struct {
	maxRuns int
	limits  runs.Limits    // its Runs is maxRuns
	places  map[string]int // of upstreams
	grace   time.Duration
	search  runs.Searcher
	files   bool                       // keep files, which costs a tree of directories
	stored  func(*store.DB) runs.Store // wraps the store the engine and the service see
	untaped bool                       // no project has a tape
}

// open starts a world with one assistant, which has the functions add and sub.
func open(t *testing.T, o worldOptions, turns ...turn) *world {
	t.Helper()
	w := &world{t: t, ctx: t.Context(), dir: t.TempDir(), options: o, model: newScript(t, turns...), logs: &wiretest.Log{}}
	w.model.setPlaces(o.places)
	w.start()
	t.Cleanup(w.stop)
	w.assistant = w.newAssistant(`{"model":"m","instructions":"Be brief.","tools":[` + function("add") + `,` + function("sub") + `]}`)
	return w
}

func function(name string) string {
	return `{"type":"function","function":{"name":"` + name + `","parameters":{"type":"object","properties":{}}}}`
}

func (w *world) start() {
	var err error
	logger := slog.New(slog.NewTextHandler(w.logs, nil))
	w.db, err = store.Open(context.WithoutCancel(w.ctx), store.Options{Dir: w.dir, Durability: store.Normal, Logger: logger})
	require.NoError(w.t, err)
	if w.options.files {
		blobs, err := files.OpenBlobs(filepath.Join(w.dir, "files"))
		require.NoError(w.t, err)
		w.files = files.NewService(w.db, blobs, time.Now)
	}
	w.assistants = assistants.NewService(w.db, w.fileChecks(), anyModel{}, time.Now)
	w.threads = threads.NewService(w.db, w.fileChecks(), time.Now)
	w.attach()
	require.NoError(w.t, w.engine.Start(w.ctx))
}

// attach makes an engine and its service on the open database.
func (w *world) attach() {
	seen := runs.Store(w.db)
	if w.options.stored != nil {
		seen = w.options.stored(w.db)
	}
	limits := w.options.limits
	limits.Runs = w.options.maxRuns
	w.engine = runs.NewEngine(runs.EngineOptions{
		Store: seen, Model: w.model, Images: w.files, Logger: slog.New(slog.NewTextHandler(w.logs, nil)), Now: time.Now,
		Search: w.options.search, Limits: limits, Grace: w.options.grace,
		Untaped: func(string) bool { return w.options.untaped },
	})
	w.runs = runs.NewService(runs.ServiceOptions{
		Store: seen, Engine: w.engine, Assistants: w.assistants, Threads: w.db, Files: w.fileChecks(), Models: anyModel{}, Now: time.Now,
	})
}

// fileChecks is the world's files, or takes every file when it keeps none.
func (w *world) fileChecks() assistants.Files {
	if w.files == nil {
		return anyFile{}
	}
	return vectorstores.NewService(vectorstores.Options{Store: w.db, Files: w.files})
}

type anyFile struct{}

func (anyFile) CheckFiles(context.Context, string, []string) error              { return nil }
func (anyFile) CheckStores(context.Context, string, []string) error             { return nil }
func (anyFile) CheckSearchable(context.Context, string, string, []string) error { return nil }
func (anyFile) Searchable(context.Context, string, []string) ([]string, error)  { return nil, nil }
func (anyFile) Wake()                                                           {}

// anyModel takes every model.
type anyModel struct{}

func (anyModel) CheckModel(string) error { return nil }

func (w *world) stop() {
	w.engine.Stop()
	require.NoError(w.t, w.db.Close())
}

// crash drops everything that is not on the disk, and starts again.
func (w *world) crash() {
	w.engine.Crash()
	require.NoError(w.t, w.db.Close())
	w.start()
}

func object(t require.TestingT, body string) *wire.Object {
	o, err := wire.ParseObject([]byte(body))
	require.NoError(t, err, body)
	return o
}

func (w *world) newAssistant(body string) string {
	create, err := assistants.ReadCreate(object(w.t, body), wire.V2)
	require.NoError(w.t, err)
	a, err := w.assistants.Create(w.ctx, project, "", create)
	require.NoError(w.t, err)
	return idOf(w.t, a)
}

// thread makes a thread; its messages are the user's and the assistant's in turn.
func (w *world) thread(texts ...string) string {
	messages := make([]string, len(texts))
	for i, text := range texts {
		messages[i] = fmt.Sprintf(`{"role":%q,"content":%s}`, []string{"user", "assistant"}[i%2], quote(text))
	}
	return w.threadOf(`{"messages":[` + strings.Join(messages, ",") + `]}`)
}

func (w *world) threadOf(body string) string {
	create, err := threads.ReadCreate(object(w.t, body), wire.V2)
	require.NoError(w.t, err)
	t, err := w.threads.Create(w.ctx, project, "", create)
	require.NoError(w.t, err)
	return idOf(w.t, t)
}

func (w *world) say(threadID, text string) (string, error) {
	return w.sayBusy(threadID, threads.Reject, text)
}

// sayBusy is say for a thread that may be busy.
func (w *world) sayBusy(threadID string, onBusy threads.OnBusy, text string) (string, error) {
	n := threads.NewMessage{Role: threads.User, Content: []threads.Part{threads.NewText(text)}}
	var m json.RawMessage
	var err error
	if onBusy.Waits() {
		var ahead []string
		m, ahead, err = w.threads.EnqueueMessage(w.ctx, project, threadID, n)
		if onBusy == threads.Interrupt {
			w.runs.CancelAll(w.ctx, project, threadID, ahead)
		}
	} else {
		m, err = w.threads.AddMessage(w.ctx, project, threadID, n)
	}
	if err != nil {
		return "", err
	}
	return idOf(w.t, m), nil
}

// create starts a run of the world's assistant; members are further members of
// the request's body.
func (w *world) create(threadID string, members ...string) (*runs.Run, *stream, error) {
	return w.createBusy(threadID, threads.Reject, members...)
}

// createBusy is create for a thread that may be busy.
func (w *world) createBusy(threadID string, onBusy threads.OnBusy, members ...string) (*runs.Run, *stream, error) {
	body := strings.Join(append([]string{`"assistant_id":` + quote(w.assistant)}, members...), ",")
	create, err := runs.ReadCreate(object(w.t, "{"+body+"}"), wire.V2)
	require.NoError(w.t, err)
	create.OnBusy = onBusy
	raw, watch, err := w.runs.Create(w.ctx, project, threadID, create)
	if err != nil {
		return nil, nil, err
	}
	return decode[runs.Run](w.t, raw), streamOf(watch), nil
}

func (w *world) run(threadID string, members ...string) *runs.Run {
	r, _, err := w.create(threadID, members...)
	require.NoError(w.t, err)
	return r
}

// stream starts a streamed run and returns its stream, for events to be read later.
func (w *world) stream(threadID string) (*runs.Run, *stream) {
	r, log, err := w.create(threadID, `"stream":true`)
	require.NoError(w.t, err)
	require.NotNil(w.t, log)
	return r, log
}

func (w *world) get(r *runs.Run) *runs.Run {
	raw, err := w.runs.Get(w.ctx, project, r.ThreadID, r.ID)
	require.NoError(w.t, err)
	return decode[runs.Run](w.t, raw)
}

// settled waits until the run has ended or waits for the client.
func (w *world) settled(r *runs.Run) *runs.Run {
	raw, err := w.runs.Wait(w.ctx, project, r.ThreadID, r.ID, time.Hour)
	require.NoError(w.t, err)
	return decode[runs.Run](w.t, raw)
}

func (w *world) cancel(r *runs.Run) (*runs.Run, error) {
	raw, err := w.runs.Cancel(w.ctx, project, r.ThreadID, r.ID)
	if err != nil {
		return nil, err
	}
	return decode[runs.Run](w.t, raw), nil
}

// submit answers calls with outputs, one after the other.
func (w *world) submit(r *runs.Run, stream bool, outputs ...string) (*runs.Run, *stream, error) {
	out := runs.Outputs{Stream: stream}
	for i, output := range outputs {
		out.Outputs = append(out.Outputs, runs.Output{CallID: pending(r)[i], Output: output})
	}
	raw, watch, err := w.runs.Submit(w.ctx, project, r.ThreadID, r.ID, out)
	if err != nil {
		return nil, nil, err
	}
	return decode[runs.Run](w.t, raw), streamOf(watch), nil
}

// pending lists the ids of the calls a run waits for.
func pending(r *runs.Run) (ids []string) {
	if r.RequiredAction != nil {
		for _, c := range r.RequiredAction.SubmitToolOutputs.ToolCalls {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

var everything = wire.Page{Limit: 1000, Asc: true}

func (w *world) steps(r *runs.Run) []*runs.Step {
	list, err := w.runs.Steps(w.ctx, project, r.ThreadID, r.ID, everything, false)
	require.NoError(w.t, err)
	return decodeAll[runs.Step](w.t, list)
}

func (w *world) messages(threadID string) []*threads.Message {
	list, err := w.threads.Messages(w.ctx, project, threadID, "", everything)
	require.NoError(w.t, err)
	return decodeAll[threads.Message](w.t, list)
}

// texts are the thread's messages as "role: text", with the reason when incomplete.
func (w *world) texts(threadID string) (texts []string) {
	for _, m := range w.messages(threadID) {
		text := m.Role + ": " + m.Text()
		if m.IncompleteDetails != nil {
			text += " [" + m.IncompleteDetails.Reason + "]"
		}
		texts = append(texts, text)
	}
	return texts
}

func (w *world) calls(r *runs.Run) []*runs.ModelCall {
	calls, err := w.runs.ModelCalls(w.ctx, project, r.ThreadID, r.ID)
	require.NoError(w.t, err)
	return calls
}

func decode[T any](t require.TestingT, raw json.RawMessage) *T {
	var v T
	require.NoError(t, json.Unmarshal(raw, &v))
	return &v
}

func decodeAll[T any](t require.TestingT, list wire.List) (all []*T) {
	for _, item := range list.Items {
		all = append(all, decode[T](t, item.JSON))
	}
	return all
}

func idOf(t require.TestingT, raw json.RawMessage) string {
	return decode[struct {
		ID string `json:"id"`
	}](t, raw).ID
}

func quote(s string) string {
	raw, _ := json.Marshal(s) // a string encodes
	return string(raw)
}
