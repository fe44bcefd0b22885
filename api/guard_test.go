package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api"
)

func TestWithoutKeysOnlyLoopbackIsAnswered(t *testing.T) {
	s := newServer(t, settings{corsOrigins: []string{"https://app.example"}})
	for _, c := range []struct {
		host, origin string
		status       int
	}{
		{"127.0.0.1", "", 200},
		{"127.0.0.1:8080", "", 200},
		{"127.9.9.9:1", "", 200},
		{"localhost", "", 200},
		{"LOCALHOST:8080", "", 200},
		{"localhost.", "", 200},
		{"app.localhost:3000", "", 200},
		{"[::1]", "", 200},
		{"[::1]:8080", "", 200},
		{"[::ffff:127.0.0.1]:80", "", 200},
		{"127.0.0.1", "http://localhost:3000", 200},
		{"127.0.0.1", "http://127.0.0.1", 200},
		{"127.0.0.1", "https://[::1]:5173", 200},
		{"127.0.0.1", "https://app.example", 200},

		{"evil.example", "", 403},
		{"evil.example:8080", "", 403},
		{"localhost.evil.example", "", 403},
		{"127.0.0.1.evil.example", "", 403},
		{"127.0.0.1.nip.io", "", 403},
		{"evillocalhost", "", 403},
		{"0.0.0.0", "", 403},
		{"[::]", "", 403},
		{"192.168.1.5:8080", "", 403},
		{"2130706433", "", 403},
		{"0x7f.1", "", 403},
		{"127.1", "", 403},
		{"127.0.0.1", "https://evil.example", 403},
		{"127.0.0.1", "https://app.example.evil.example", 403},
		{"127.0.0.1", "http://app.example", 403},
		{"127.0.0.1", "http://localhost:80@evil.example", 403},
		{"127.0.0.1", "http://evil.example#localhost", 403},
		{"127.0.0.1", "http://localhost.evil.example", 403},
		{"127.0.0.1", "null", 403},
		{"127.0.0.1", "file://", 403},
		{"127.0.0.1", "localhost", 403},
		{"127.0.0.1", "http://%zz", 403},
		{"evil.example", "http://localhost", 403},
	} {
		t.Run(c.host+" "+c.origin, func(t *testing.T) {
			headers := []string{"Host", c.host}
			if c.origin != "" {
				headers = append(headers, "Origin", c.origin)
			}
			for _, path := range []string{"/", "/healthz", "/v1/assistants", "/v1/nothing"} {
				got := s.as(t).call("GET", path, "", headers...)
				switch {
				case c.status == 403:
					require.Equal(t, 403, got.status, "%s", got.body)
					require.Empty(t, got.header.Get("Access-Control-Allow-Origin"))
				case path == "/v1/nothing":
					require.Equal(t, 404, got.status)
				default:
					require.Equal(t, 200, got.status, "%s", got.body)
					require.Equal(t, c.origin, got.header.Get("Access-Control-Allow-Origin"))
				}
			}
			if c.status == 403 {
				got := s.as(t).call("OPTIONS", "/v1/threads", "", append(headers, "Access-Control-Request-Method", "POST")...)
				require.Equal(t, 403, got.status, "a preflight is refused as well")
				s.as(t).call("POST", "/v1/threads", "{}", headers...).refused(403, "", "")
			}
		})
	}
	require.Empty(t, s.get("/v1/threads").ids(), "what was refused left nothing")
}

func TestOpenServersAnswerEveryHost(t *testing.T) {
	for name, s := range map[string]*testServer{
		"any host": newServer(t, settings{anyHost: true}),
		"keys":     newServer(t, settings{keys: true}).newKey("p"),
	} {
		t.Run(name, func(t *testing.T) {
			got := s.as(t).call("GET", "/v1/assistants", "", "Host", "api.example", "Origin", "https://app.example").ok()
			require.Equal(t, "https://app.example", got.header.Get("Access-Control-Allow-Origin"))
			require.Contains(t, got.header.Values("Vary"), "Origin")
			require.Contains(t, got.header.Get("Access-Control-Expose-Headers"), "X-Request-Id")
		})
	}
}

// TestPreflight asks what a browser asks before it lets an SDK's request out.
func TestPreflight(t *testing.T) {
	const asked = "authorization,content-type,openai-beta,x-stainless-arch,x-stainless-lang,x-stainless-os,x-stainless-package-version,x-stainless-retry-count,x-stainless-runtime,x-stainless-runtime-version,x-stainless-timeout,idempotency-key"
	for _, s := range []*testServer{newServer(t, settings{}), newServer(t, settings{keys: true})} { // a preflight carries no key
		for _, method := range []string{"GET", "POST", "DELETE"} {
			got := s.call("OPTIONS", "/v1/threads/thread_x/runs", "", "Origin", "http://localhost:3000", "Access-Control-Request-Method", method, "Access-Control-Request-Headers", asked)
			require.Equal(t, http.StatusNoContent, got.status)
			require.Equal(t, "http://localhost:3000", got.header.Get("Access-Control-Allow-Origin"))
			require.Contains(t, got.header.Get("Access-Control-Allow-Methods"), method)
			require.Equal(t, asked, got.header.Get("Access-Control-Allow-Headers"))
			require.NotEmpty(t, got.header.Get("Access-Control-Max-Age"))
		}
	}
}

// owned is one project with an object of every kind, and its client.
type owned struct {
	*testServer
	assistant, thread, message, run, step, file string
	store, batch                                string
}

func newOwned(s *testServer) *owned {
	o := &owned{testServer: s}
	o.file = s.upload("assistants", "notes.txt", "notes").ok().text("id")
	o.store = s.post(stores, `{}`).text("id")
	o.batch = s.post(stores+"/"+o.store+"/file_batches", `{"file_ids":["`+o.file+`"]}`).text("id")
	s.indexed(o.store, o.file)
	o.assistant = s.post("/v1/assistants", `{"model":"m","instructions":"Help.","tools":[{"type":"code_interpreter"}],"tool_resources":{"code_interpreter":{"file_ids":["`+o.file+`"]}}}`).text("id")
	run := s.settle(s.post("/v1/threads/runs", `{"assistant_id":"`+o.assistant+`","thread":{"messages":[{"role":"user","content":"hi","attachments":[{"file_id":"`+o.file+`","tools":[]}]}]}}`))
	o.thread, o.run = run.text("thread_id"), run.text("id")
	o.message = s.get("/v1/threads/" + o.thread + "/messages?order=asc").ids()[0]
	o.step = s.get("/v1/threads/" + o.thread + "/runs/" + o.run + "/steps").ids()[0]
	return o
}

// path puts the project's ids into a route.
func (o *owned) path(template string) string {
	return strings.NewReplacer("{assistant_id}", o.assistant, "{thread_id}", o.thread, "{message_id}", o.message,
		"{run_id}", o.run, "{step_id}", o.step, "{file_id}", o.file, "{model:.+}", "m",
		"{vector_store_id}", o.store, "{batch_id}", o.batch, "/x/diff", "/x/diff?a="+o.run+"&b="+o.run).Replace(template)
}

// bodyFor is what a route needs which does not take an empty object; the ids are the
// caller's own.
func (o *owned) bodyFor(r api.Route) string {
	switch {
	case r.Method != "POST":
		return ""
	case strings.HasSuffix(r.Path, "/messages"):
		return `{"role":"user","content":"x"}`
	case strings.HasSuffix(r.Path, "/runs"):
		return `{"assistant_id":"` + o.assistant + `"}`
	case strings.HasSuffix(r.Path, "/submit_tool_outputs"):
		return `{"tool_outputs":[]}`
	case strings.HasSuffix(r.Path, "/assistants/{assistant_id}/files"), strings.HasSuffix(r.Path, "/vector_stores/{vector_store_id}/files"):
		return `{"file_id":"` + o.file + `"}`
	case strings.HasSuffix(r.Path, "/vector_stores/{vector_store_id}/files/{file_id}"):
		return `{"attributes":{}}`
	case strings.HasSuffix(r.Path, "/file_batches"):
		return `{"file_ids":["` + o.file + `"]}`
	case strings.HasSuffix(r.Path, "/complete"):
		return `{"part_ids":["part_1"]}`
	case strings.HasSuffix(r.Path, "/edit"):
		return `{"content":"x"}`
	case strings.HasSuffix(r.Path, "/rewind"):
		return `{"to":"` + o.message + `"}`
	case strings.HasSuffix(r.Path, "/search"):
		return `{"query":"notes"}`
	default:
		return `{}`
	}
}

// shared are the routes with a parameter that names no project's object.
func shared(r api.Route) bool { return strings.Contains(r.Path, "/models/") }

func routes(t *testing.T) []api.Route {
	t.Helper()
	all, err := api.Routes()
	require.NoError(t, err)
	require.Greater(t, len(all), 100, "three bases, with HEAD beside GET")
	return all
}

// TestNobodySeesAnotherProject calls every route the router has with the ids of
// another project.
func TestNobodySeesAnotherProject(t *testing.T) {
	s := newServer(t, settings{keys: true})
	alice, bob := newOwned(s.newKey("alice")), newOwned(s.newKey("bob"))
	before := alice.snapshot()
	for _, r := range routes(t) {
		if !strings.Contains(r.Path, "{") || shared(r) {
			continue
		}
		t.Run(r.Method+" "+r.Path, func(t *testing.T) {
			got := bob.as(t).call(r.Method, alice.path(r.Path), bob.bodyFor(r))
			require.Equal(t, http.StatusNotFound, got.status, "%s", got.body)
			// Bob's own thread or run does not open another one's insides.
			if i := strings.LastIndex(r.Path, "/{"); strings.Count(r.Path, "{") > 1 {
				mixed := bob.path(r.Path[:i]) + alice.path(r.Path[i:])
				got := bob.as(t).call(r.Method, mixed, bob.bodyFor(r))
				require.Equal(t, http.StatusNotFound, got.status, "%s: %s", mixed, got.body)
			}
		})
	}
	require.Equal(t, before, alice.snapshot(), "nothing of it changed anything")

	for path, body := range map[string]string{
		"/v1/threads/" + bob.thread + "/runs":     `{"assistant_id":"` + alice.assistant + `"}`,
		"/v1/threads/" + bob.thread + "/messages": `{"role":"user","content":"x","attachments":[{"file_id":"` + alice.file + `"}]}`,
		"/v1/threads":                                `{"messages":[{"role":"user","content":[{"type":"image_file","image_file":{"file_id":"` + alice.file + `"}}]}]}`,
		"/v1/threads/" + bob.thread:                  `{"tool_resources":{"code_interpreter":{"file_ids":["` + alice.file + `"]}}}`,
		"/v1/assistants":                             `{"model":"m","tool_resources":{"code_interpreter":{"file_ids":["` + alice.file + `"]}}}`,
		"/v1/assistants/" + bob.assistant:            `{"tool_resources":{"code_interpreter":{"file_ids":["` + alice.file + `"]}}}`,
		"/v1/threads/runs":                           `{"assistant_id":"` + alice.assistant + `"}`,
		"/v1/assistants/" + bob.assistant + "/files": `{"file_id":"` + alice.file + `"}`,
		"/v1/vector_stores":                          `{"file_ids":["` + alice.file + `"]}`,
		stores + "/" + bob.store + "/files":          `{"file_id":"` + alice.file + `"}`,
		stores + "/" + bob.store + "/file_batches":   `{"file_ids":["` + alice.file + `"]}`,
	} {
		got := bob.call("POST", path, body)
		require.Equal(t, http.StatusNotFound, got.status, "%s %s: %s", path, body, got.body)
	}
	for path, cursor := range map[string]string{
		"/v1/assistants": alice.assistant, "/v1/threads": alice.thread, "/v1/vector_stores": alice.store, "/v1/threads/" + bob.thread + "/messages": alice.message,
		"/v1/threads/" + bob.thread + "/runs": alice.run, "/v1/threads/" + bob.thread + "/runs/" + bob.run + "/steps": alice.step,
	} {
		bob.call("GET", path+"?after="+cursor, "").refused(400, "after", "invalid_value")
		bob.call("GET", path+"?before="+cursor, "").refused(400, "before", "invalid_value")
		require.NotContains(t, bob.get(path).ids(), cursor)
	}
	require.Empty(t, bob.get("/v1/threads/"+bob.thread+"/messages?run_id="+alice.run).ids())
	bob.with("Understudy-Id", alice.assistant).call("POST", "/v1/assistants", `{"model":"m"}`).refused(400, "Understudy-Id", "invalid_value")
	bob.with("Understudy-Id", alice.thread).call("POST", "/v1/threads", "").refused(400, "Understudy-Id", "invalid_value")
}

// snapshot is everything a client can see of its project.
func (o *owned) snapshot() string {
	var all strings.Builder
	for _, path := range []string{
		"/v1/assistants", "/v1/threads", "/v1/files", "/v1/threads/{thread_id}", "/v1/threads/{thread_id}/messages", "/v1/threads/{thread_id}/runs",
		"/v1/threads/{thread_id}/runs/{run_id}/steps", "/v1/assistants/{assistant_id}", "/v1/files/{file_id}/content",
		"/v1/vector_stores", "/v1/vector_stores/{vector_store_id}/files", "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}",
	} {
		all.Write(o.get(o.path(path)).body)
	}
	return all.String()
}

// TestEveryRouteNeedsAKey calls every route without one, with a wrong one and
// with one that was revoked.
func TestEveryRouteNeedsAKey(t *testing.T) {
	s := newServer(t, settings{keys: true})
	alice := newOwned(s.newKey("alice"))
	revoked := s.newKey("alice")
	all, err := s.db.Keys(t.Context())
	require.NoError(t, err)
	text := strings.TrimPrefix(revoked.headers[1], "Bearer ")
	for _, k := range all {
		if strings.Contains(text, k.ID) {
			require.NoError(t, s.db.RevokeKey(t.Context(), k.ID, time.Now()))
		}
	}
	before := alice.snapshot()
	clients := map[string]*testServer{
		"none": s, "wrong": s.with("Authorization", "Bearer "+text+"x"), "revoked": revoked, "no scheme": s.with("Authorization", text),
		"half": s.with("Authorization", "Bearer "+text[:len(text)-4]), "empty": s.with("Authorization", "Bearer "), "azure": s.with("Api-Key", text),
		"basic": s.with("Authorization", "Basic Og=="),
	}
	for _, r := range routes(t) {
		if r.Path == "/metrics" { // no key opens it: TestWhoMayReadMetrics
			continue
		}
		if r.Path == "/" || r.Path == "/healthz" || r.Path == "/readyz" {
			s.call(r.Method, r.Path, "").ok()
			continue
		}
		for name, client := range clients {
			got := client.call(r.Method, alice.path(r.Path), alice.bodyFor(r))
			require.Equal(t, http.StatusUnauthorized, got.status, "%s %s with %s: %s", r.Method, r.Path, name, got.body)
		}
	}
	require.Equal(t, before, alice.snapshot())
}

// TestKeysComeInEveryForm: as a bearer, as the password of Basic, as Azure's.
func TestKeysComeInEveryForm(t *testing.T) {
	s := newServer(t, settings{keys: true})
	text := strings.TrimPrefix(s.newKey("p").headers[1], "Bearer ")
	for _, headers := range [][]string{{"Authorization", "Bearer " + text}, {"Authorization", "bearer  " + text}, {"Api-Key", text}} {
		s.call("GET", "/v1/assistants", "", headers...).ok()
	}
	r := s.request("GET", "/v1/assistants", nil)
	r.SetBasicAuth("", text)
	s.send(r).ok()
}
