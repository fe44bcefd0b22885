package api_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"understudy/api"
	"understudy/api/keys"
	"understudy/api/telemetry"
	"understudy/api/wire"
	"understudy/assistants"
	"understudy/files"
	"understudy/files/extract"
	"understudy/files/uploads"
	"understudy/files/vectorstores"
	"understudy/files/vectorstores/index"
	"understudy/runs"
	"understudy/runs/chat"
	"understudy/runs/chat/builtin"
	"understudy/runs/webhooks"
	"understudy/store"
	"understudy/threads"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		report(published.summary())
		os.Exit(code)
	}))
}

// report prints a line that sums up a proof. Since the output of a package that
// passes is not shown beside others, the line also goes to the file that
// TEST_SUMMARY names.
func report(line string) {
	fmt.Println(line)
	name := os.Getenv("TEST_SUMMARY")
	if name == "" {
		return
	}
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	fmt.Fprintln(file, line)
}

// settings are how a test's server differs from the usual one.
type settings struct {
	adopt       bool // unknown threads
	keys        bool
	metrics     string // the token of /metrics
	spans       string // the collector they go to; "" = there are none
	content     bool   // what was said is in spans
	anyHost     bool
	corsOrigins []string
	model       http.HandlerFunc // Chat Completions; nil = the built-in model
	strict      bool             // models are refused unless they are called "known"
	fault       bool             // the list of models panics
	broken      bool             // the database is closed under the server
	idle        bool             // files of vector stores stay in progress
	perMinute   int              // requests of a key
	bodies      int              // bytes of large bodies in memory
	limits      runs.Limits
	webhooks    webhooks.Config
	retries     int // of model calls
}

// testServer is a whole Understudy: a database file, the engine, a model and the API.
type testServer struct {
	t       testing.TB
	dir     string // with the database and the files
	db      *store.DB
	stores  *vectorstores.Service
	seen    *telemetry.Telemetry
	handler *api.Handler
	client  *http.Client // nil = the default
	url     string       // the loopback server's, without a path
	headers []string     // names and values that every request carries
}

// newServer starts a server on loopback.
func newServer(t testing.TB, o settings) *testServer {
	t.Helper()
	s := assemble(t, o)
	listening := httptest.NewServer(s.handler)
	t.Cleanup(listening.Close)
	s.url = listening.URL
	return s
}

// testModels refuses models the way the program does.
type testModels struct {
	client *chat.Client
	fault  bool
}

func (m testModels) CheckModel(model string) error {
	if _, err := m.client.Route(model); err != nil {
		return &wire.Error{Message: "The requested model '" + model + "' does not exist.", Param: "model", Code: "model_not_found"}
	}
	return nil
}

func (m testModels) Models(ctx context.Context) ([]string, error) {
	if m.fault {
		panic("a fault")
	}
	return m.client.ListModels(ctx), nil
}

// offlineEmbedder embeds with the built-in model, whatever else answers chats.
func offlineEmbedder(t testing.TB) vectorstores.Embedder {
	client, err := chat.New(chat.Config{
		Upstreams: []chat.Upstream{{Name: "offline", BaseURL: "test://offline", EmbeddingModel: builtin.Model}},
		Schemes:   map[string]http.RoundTripper{"test": chat.HandlerTransport(builtin.New(builtin.Options{}))},
	})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

// assemble makes the parts of a server and lets the engine work.
func assemble(t testing.TB, o settings) *testServer {
	t.Helper()
	dir, logger := t.TempDir(), slog.New(slog.DiscardHandler)
	seen := telemetry.New(telemetry.Options{Version: "test", Now: time.Now})
	if o.spans != "" {
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", o.spans)
		require.NoError(t, seen.Export(t.Context(), telemetry.ExportOptions{Version: "test", Content: o.content, Logger: logger}))
		t.Cleanup(func() { _ = seen.Close(t.Context()) }) // closed already by those that want the last spans
	}
	db, err := store.Open(t.Context(), store.Options{Dir: dir, Durability: store.Normal, Logger: logger, OnCommit: seen.Committed})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	blobs, err := files.OpenBlobs(filepath.Join(dir, "files"))
	require.NoError(t, err)
	model := http.Handler(builtin.New(builtin.Options{}))
	if o.model != nil {
		model = o.model
	}
	client, err := chat.New(chat.Config{
		Upstreams:    []chat.Upstream{{Name: "test", BaseURL: "test://model", MaxRetries: cmp.Or(o.retries, -1)}},
		Models:       []chat.Mapping{{Pattern: "known", Target: "test/known"}},
		ModelsStrict: o.strict,
		Schemes:      map[string]http.RoundTripper{"test": chat.HandlerTransport(model)},
		Logger:       logger,
	})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	served := testModels{client: client, fault: o.fault}
	fileService := files.NewService(db, blobs, time.Now)
	extractor := extract.New(extract.Options{CacheDir: filepath.Join(dir, "cache")})
	t.Cleanup(func() { require.NoError(t, extractor.Close()) })
	stores := vectorstores.NewService(vectorstores.Options{
		Store: db, Files: fileService, Extractor: extractor, Index: index.New(db, index.Options{}),
		Embedder: offlineEmbedder(t), Logger: logger, Now: time.Now,
	})
	fileService.OnDelete(stores.FilesDeleted)
	assistantService := assistants.NewService(db, stores, served, time.Now)
	seen.Read(db)
	told, err := webhooks.New(webhooks.Options{Store: db, Observer: seen, Logger: logger}, o.webhooks)
	require.NoError(t, err)
	stored := told.Runs(db)
	engine := runs.NewEngine(runs.EngineOptions{
		Store: stored, Model: seen.Model(client), Images: fileService, Search: seen.Searcher(stores), Observer: seen, Logger: logger, Now: time.Now, Limits: o.limits,
	})
	options := api.Options{
		Assistants: assistantService,
		Threads:    threads.NewService(db, stores, time.Now),
		Runs: runs.NewService(runs.ServiceOptions{
			Store: stored, Engine: engine, Assistants: assistantService, Threads: db, Files: stores, Models: served, Now: time.Now,
		}),
		Files: fileService, Uploads: uploads.NewService(db, blobs, time.Now), VectorStores: stores, Models: served, Upstreams: client, Webhooks: told, Answers: db,
		Adopt: o.adopt, RequestsPerMinute: o.perMinute, BodyMemory: o.bodies,
		AnyHost: o.anyHost, CORSOrigins: o.corsOrigins, Telemetry: seen, MetricsToken: o.metrics,
		Damaged: db.Damaged, Ready: db.Ping, Version: "test", Logger: logger, Now: time.Now,
	}
	if o.keys {
		options.Keys = db
	}
	require.NoError(t, engine.Start(t.Context()))
	t.Cleanup(engine.Stop)
	told.Start()
	t.Cleanup(told.Stop)
	if !o.idle {
		stores.Start()
	}
	t.Cleanup(stores.Stop)
	if o.broken {
		engine.Stop()
		stores.Stop()
		told.Stop()
		require.NoError(t, db.Close())
	}
	return &testServer{t: t, dir: dir, db: db, stores: stores, seen: seen, handler: api.New(options)}
}

// with returns the same server for a client that sends more headers.
func (s *testServer) with(headers ...string) *testServer {
	other := *s
	other.headers = append(append([]string{}, s.headers...), headers...)
	return &other
}

// as returns the server for the subtest t.
func (s *testServer) as(t testing.TB) *testServer {
	other := *s
	other.t = t
	return &other
}

// newKey makes an API key of a project and returns the server for its owner.
func (s *testServer) newKey(project string) *testServer {
	s.t.Helper()
	key, text := keys.Mint(project, "test", time.Now())
	require.NoError(s.t, s.db.CreateKey(s.t.Context(), key))
	return s.with("Authorization", "Bearer "+text)
}

// request makes a request as the server's client would send it: headers are
// names and values; Host is one of them.
func (s *testServer) request(method, path string, body io.Reader, headers ...string) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, body)
	require.NoError(s.t, err)
	all := append(append([]string{}, s.headers...), headers...)
	for i := 0; i < len(all); i += 2 {
		if all[i] == "Host" {
			r.Host = all[i+1]
			continue
		}
		r.Header.Set(all[i], all[i+1])
	}
	return r
}

// call sends a request and has its answer checked.
func (s *testServer) call(method, path, body string, headers ...string) reply {
	s.t.Helper()
	return s.send(s.request(method, path, strings.NewReader(body), headers...))
}

func (s *testServer) send(r *http.Request) reply {
	s.t.Helper()
	return s.start(r)()
}

// start sends a request and returns what waits for its answer and checks it.
func (s *testServer) start(r *http.Request) func() reply {
	type outcome struct {
		reply reply
		err   error
	}
	ended := make(chan outcome, 1)
	go func() {
		response, err := cmp.Or(s.client, http.DefaultClient).Do(r)
		if err != nil {
			ended <- outcome{err: err}
			return
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		ended <- outcome{reply{t: s.t, status: response.StatusCode, header: response.Header, body: body}, err}
	}()
	return func() reply {
		s.t.Helper()
		got := <-ended
		require.NoError(s.t, got.err)
		check(s.t, r, got.reply)
		return got.reply
	}
}

// together posts the same body n times at once.
func (s *testServer) together(n int, path, body string) []reply {
	s.t.Helper()
	waits := make([]func() reply, n)
	for i := range waits {
		waits[i] = s.start(s.request("POST", path, strings.NewReader(body)))
	}
	replies := make([]reply, n)
	for i, wait := range waits {
		replies[i] = wait()
	}
	return replies
}

func (s *testServer) get(path string) reply    { s.t.Helper(); return s.call("GET", path, "").ok() }
func (s *testServer) delete(path string) reply { s.t.Helper(); return s.call("DELETE", path, "").ok() }

func (s *testServer) post(path, body string) reply {
	s.t.Helper()
	return s.call("POST", path, body).ok()
}

// upload sends a file and returns its object.
func (s *testServer) upload(purpose, name, content string) reply {
	s.t.Helper()
	contentType, form := formOf(s.t, map[string]string{"purpose": purpose}, "file", name, content)
	return s.call("POST", "/v1/files", string(form), "Content-Type", contentType)
}

// formOf is a multipart form: its fields, then a file.
func formOf(t testing.TB, fields map[string]string, file, name, content string) (contentType string, form []byte) {
	t.Helper()
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for field, value := range fields {
		require.NoError(t, w.WriteField(field, value))
	}
	part, err := w.CreateFormFile(file, name)
	require.NoError(t, err)
	_, err = io.WriteString(part, content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return w.FormDataContentType(), buf.Bytes()
}

// settle waits until a run is terminal or asks for something, and returns it.
func (s *testServer) settle(run reply) reply {
	s.t.Helper()
	path := "/v1/threads/" + run.text("thread_id") + "/runs/" + run.text("id")
	a := s.call("GET", path, "", "Prefer", "wait=20").ok()
	require.NotContains(s.t, []string{"queued", "in_progress", "cancelling"}, a.text("status"), "%s", a.body)
	return a
}
