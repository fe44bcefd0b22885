package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sashabaranov/go-openai"
	"github.com/stretchr/testify/require"
)

// patience bounds every wait of the end-to-end tests; only a failing test
// spends it.
const patience = 40 * time.Second

// TestEndToEnd builds the program once and drives it as its users do: as a
// process of its own, over HTTP, with a client and backends that are not ours.
func TestEndToEnd(t *testing.T) {
	built := build(t)
	for name, scenario := range map[string]func(*testing.T, program){
		"functions with the offline model": testOfflineFunctions,
		"functions by polling":             testPolledFunctions,
		"functions by streaming":           testStreamedFunctions,
		"what the backend is sent":         testBackendRequest,
		"restarts":                         testRestarts,
		"a restart with a full house":      testFullHouse,
		"keys":                             testKeys,
		"one data directory":               testDataDirectory,
		"the command line":                 testProgram,
		"mistakes":                         testMistakes,
		"where runs go":                    testRouting,
		"web pages":                        testWebPages,
		"cancelling":                       testCancel,
		"a client that leaves":             testLeavingClient,
		"cancelling beside a bad backend":  testCancelBadBackends,
		"secrets":                          testSecrets,
		"rehearsals":                       testRehearse,
		"crashes":                          testCrashes,
		"a full disk":                      testFullDisk,
		"recordings":                       testRecordings,
		"directories of recordings":        testRecordingDirectories,
		"vitals":                           testVitals,
		"traces":                           testTraces,
		"traces that are lost":             testTracesLost,
		"long answers":                     testLongAnswers,
		"webhooks":                         testWebhooks,
		"webhooks and an export":           testWebhookExport,
		"following runs":                   testTail,
		"following runs with keys":         testTailWithKeys,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scenario(t, built)
		})
	}
}

// program is the path of the built program.
type program string

func build(t *testing.T) program {
	t.Helper()
	path := filepath.Join(t.TempDir(), "understudy")
	command := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := command.CombinedOutput()
	require.NoError(t, err, string(output))
	return program(path)
}

// process is the program at work.
type process struct {
	*exec.Cmd
	stdout, stderr *transcript
	ended          chan struct{} // closed when it has ended
}

// start runs a command line in an environment of its own, which has only what
// env adds ("NAME=value").
func (p program) start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	r := &process{
		Cmd:    exec.CommandContext(t.Context(), string(p), args...),
		stdout: newTranscript(), stderr: newTranscript(), ended: make(chan struct{}),
	}
	r.Dir = t.TempDir()
	r.Env = append([]string{"HOME=" + r.Dir}, env...)
	r.Stdout, r.Stderr = r.stdout, r.stderr
	require.NoError(t, r.Start())
	go func() {
		defer close(r.ended)
		_ = r.Wait() // the exit code says it
	}()
	t.Cleanup(func() {
		_ = r.Process.Kill() // it may have ended
		<-r.ended
		if t.Failed() {
			t.Logf("standard error of %v:\n%s", args, r.stderr)
		}
	})
	return r
}

// run runs a command line to its end and returns its exit code.
func (p program) run(t *testing.T, env []string, args ...string) (r *process, code int) {
	t.Helper()
	r = p.start(t, env, args...)
	return r, r.exit(t)
}

// exit waits for the end and returns the exit code, -1 after a signal.
func (r *process) exit(t *testing.T) int {
	t.Helper()
	await(t, r.ended, "the end of the process")
	return r.ProcessState.ExitCode()
}

func (r *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	require.NoError(t, r.Process.Signal(s))
}

// insist sends a signal until the process has ended: the first may come before
// the process has made itself ready for it.
func (r *process) insist(t *testing.T, s syscall.Signal) {
	t.Helper()
	for again := time.NewTicker(50 * time.Millisecond); ; {
		_ = r.Process.Signal(s) // it may have ended
		select {
		case <-r.ended:
			again.Stop()
			return
		case <-again.C:
		}
	}
}

// await waits until a channel is closed or has something.
func await[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	over := time.NewTimer(patience)
	defer over.Stop()
	select {
	case value := <-c:
		return value
	case <-over.C:
		require.FailNow(t, "waited in vain for "+what)
		panic("unreachable")
	}
}

// transcript keeps what a process writes.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed and replaced when something was written
}

func newTranscript() *transcript { return &transcript{more: make(chan struct{})} }

func (w *transcript) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.more)
	w.more = make(chan struct{})
	return w.text.Write(p)
}

func (w *transcript) read() (text string, more <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String(), w.more
}

func (w *transcript) String() string {
	text, _ := w.read()
	return text
}

// find waits until the pattern was written and returns its first group.
func (r *process) find(t *testing.T, pattern string) string {
	t.Helper()
	for expression := regexp.MustCompile(pattern); ; {
		text, more := r.stderr.read()
		if found := expression.FindStringSubmatch(text); found != nil {
			return found[len(found)-1]
		}
		select {
		case <-r.ended:
			require.FailNow(t, "the process ended without writing "+pattern, r.stderr.String())
		default:
			either := make(chan struct{})
			go func() {
				defer close(either)
				select {
				case <-more:
				case <-r.ended:
				}
			}()
			await(t, either, pattern)
		}
	}
}

// server is the program serving.
type server struct {
	*process
	api    string // base URL of the API, with /v1
	data   string
	key    string // API key; without --auth keys any will do
	client *openai.Client
	http   *http.Client
}

// probe asks a path beside the API, as a load balancer does.
func (s *server) probe(t *testing.T, path string) int {
	t.Helper()
	return s.send(t, http.MethodGet, strings.TrimSuffix(s.api, "/v1")+path, nil).status
}

// serve starts a server on a data directory, in which it finds what an earlier
// one left, and waits until it is ready.
func (p program) serve(t *testing.T, data string, env []string, args ...string) *server {
	t.Helper()
	args = append([]string{"serve", "--listen=127.0.0.1:0", "--data=" + data}, args...)
	s := &server{process: p.start(t, env, args...), data: data}
	s.api = s.find(t, `msg="understudy is ready" base_url=(http://[^ \n]+)`)
	s.as("any-key")
	return s
}

// as makes the clients send a key.
func (s *server) as(key string) *server {
	s.key = key
	s.http = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	config := openai.DefaultConfig(key)
	config.BaseURL, config.HTTPClient, config.AssistantVersion = s.api, s.http, "v2"
	s.client = openai.NewClientWithConfig(config)
	return s
}

// answer is what the server says to a request.
type answer struct {
	status int
	header http.Header
	body   string
}

// send makes a request that the Go client cannot make. The path is relative to
// /v1, unless it is a whole URL; a body that is not nil is sent as JSON.
func (s *server) send(t *testing.T, method, path string, body any, headers ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	response, err := s.http.Do(s.request(ctx, t, method, path, body, headers...))
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response.StatusCode, response.Header, string(text)}
}

func (s *server) request(ctx context.Context, t *testing.T, method, path string, body any, headers ...string) *http.Request {
	t.Helper()
	var reader io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		require.NoError(t, err)
		reader = bytes.NewReader(encoded)
	}
	if strings.HasPrefix(path, "/") {
		path = s.api + path
	}
	request, err := http.NewRequestWithContext(ctx, method, path, reader)
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("OpenAI-Beta", "assistants=v2")
	if s.key != "" {
		request.Header.Set("Authorization", "Bearer "+s.key)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
		if name == "Host" {
			request.Host = value
		}
	}
	return request
}

// make sends an object that must be accepted and returns its id.
func (s *server) make(t *testing.T, path string, body any) string {
	t.Helper()
	made := s.send(t, http.MethodPost, path, body)
	require.Equal(t, http.StatusOK, made.status, made.body)
	var object struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(made.body), &object))
	return object.ID
}

// apiError is the error of the Go client.
func apiError(t *testing.T, err error) *openai.APIError {
	t.Helper()
	var refused *openai.APIError
	require.ErrorAs(t, err, &refused)
	return refused
}
