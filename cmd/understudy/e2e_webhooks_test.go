package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/stretchr/testify/require"
)

// webhookReceiver is an endpoint that verifies what it is sent with OpenAI's SDK.
type webhookReceiver struct {
	url     string
	came    chan receivedWebhook
	holding atomic.Bool // answers are held back until the sender is gone
}

type receivedWebhook struct {
	id   string
	kind string
	run  string
}

func receiveWebhooks(t *testing.T) *webhookReceiver {
	t.Helper()
	r := &webhookReceiver{came: make(chan receivedWebhook, 100)}
	client := openai.NewClient(option.WithAPIKey("none"), option.WithWebhookSecret(goodSecret))
	listening := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body) // a part of it has no signature
		event, err := client.Webhooks.Unwrap(body, q.Header)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.came <- receivedWebhook{event.ID, event.Type, event.Data.ID}
		if r.holding.Load() {
			<-q.Context().Done()
		}
	}))
	t.Cleanup(listening.Close)
	r.url = listening.URL
	return r
}

// testWebhooks kills the server while an endpoint thinks about an event, tells
// it to stop with another on its way, and changes the configuration under it.
func testWebhooks(t *testing.T, p program) {
	const secretPath = "zebra-4714-path"
	r, data := receiveWebhooks(t), t.TempDir()
	file := filepath.Join(t.TempDir(), "understudy.yaml")
	configure := func(events string) {
		t.Helper()
		content := fmt.Sprintf("upstreams: [{name: offline, base_url: \"builtin://echo\"}]\nwebhooks: [{url: \"%s/%s\", secret: \"%s\", events: [%s]}]\n", r.url, secretPath, goodSecret, events)
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	}
	configure("completed")
	r.holding.Store(true)
	s := p.serve(t, data, nil, "--config="+file)
	assistant := s.assistant(t)
	run := s.begin(t, s.thread(t, "Hello."), assistant)
	first := await(t, r.came, "the first attempt")
	require.Equal(t, receivedWebhook{first.id, "thread.run.completed", run.ID}, first)
	s.ends(t, run, "completed") // is answered although the endpoint has not answered yet
	s.signal(t, syscall.SIGKILL)
	require.Equal(t, -1, s.exit(t))

	r.holding.Store(false)
	said := s.stderr.String()
	s = p.serve(t, data, nil, "--config="+file)
	require.Equal(t, first, await(t, r.came, "the event after the crash"))

	configure("failed") // of which there are none
	s.signal(t, syscall.SIGHUP)
	s.find(t, "(is taken over)")
	s.ends(t, s.begin(t, s.thread(t, "Hello."), assistant), "completed")
	configure("completed")
	s.signal(t, syscall.SIGHUP)
	s.find(t, "(?s)(is taken over).*is taken over")

	last := s.begin(t, s.thread(t, "Good bye."), assistant)
	s.ends(t, last, "completed")
	s.signal(t, syscall.SIGTERM)
	require.Equal(t, 0, s.exit(t))
	require.Equal(t, last.ID, await(t, r.came, "the event of the last run").run)
	require.Empty(t, r.came)

	said += s.stderr.String()
	for _, secret := range []string{goodSecret, strings.TrimPrefix(goodSecret, "whsec_"), secretPath} {
		require.NotContains(t, said, secret)
		requireSecretFiles(t, data, secret)
	}
}

// testWebhookExport moves a server whose endpoint is away: the run travels, and
// what is still to be told stays with the server that has it to tell.
func testWebhookExport(t *testing.T, p program) {
	data, there := t.TempDir(), t.TempDir()
	file := filepath.Join(t.TempDir(), "understudy.yaml")
	require.NoError(t, os.WriteFile(file, []byte("webhooks: [{url: \"http://127.0.0.1:1\", secret: "+goodSecret+"}]\n"), 0o600))
	s := p.serve(t, data, nil, "--config="+file)
	run := s.begin(t, s.thread(t, "Hello."), s.assistant(t))
	s.ends(t, run, "completed")
	s.find(t, "(a webhook was not taken)")
	require.Len(t, s.undelivered(t), 1)
	s.signal(t, syscall.SIGTERM)
	require.Equal(t, 0, s.exit(t))

	archive := filepath.Join(t.TempDir(), "all")
	_, code := p.run(t, nil, "export", "--data="+data, archive)
	require.Zero(t, code)
	_, code = p.run(t, nil, "import", "--data="+there, archive)
	require.Zero(t, code)
	s = p.serve(t, there, nil, "--config="+file)
	s.ends(t, run, "completed")
	require.Empty(t, s.undelivered(t))
}

func (s *server) undelivered(t *testing.T) []any {
	t.Helper()
	var list struct{ Data []any }
	require.NoError(t, json.Unmarshal([]byte(s.send(t, http.MethodGet, "/x/webhooks/deliveries", nil).body), &list))
	return list.Data
}
