//go:build sdk

package sdk

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// webhookSecret signs what receivers on loopback are told of runs.
const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// builtinModel is the built-in model inside the server.
const builtinModel = "builtin://echo"

// config gives the suites a backend, which is the built-in model in the server or
// elsewhere, the same one answering late and never, and a backend that cannot be
// reached: nothing listens on port 1.
func config(backend string) []byte {
	return fmt.Appendf(nil, `run_webhooks: {secret: %[2]s, hosts: [127.0.0.1]}
upstreams:
  - {name: offline, base_url: "%[1]s", auth: none, images: url, embedding_model: builtin/echo}
  - {name: delayed, base_url: "%[1]s?delay=300ms", auth: none}
  - {name: slow, base_url: "%[1]s?delay=1h", auth: none}
  - {name: broken, base_url: "http://127.0.0.1:1/v1", auth: none, max_retries: 0}
models:
  delayed: delayed/echo
  slow: slow/echo
  broken: broken/echo
  "*": offline/echo
`, backend, webhookSecret)
}

// build builds the server that the suites run against.
func build(t *testing.T, root string) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "understudy")
	compile := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/understudy")
	compile.Dir = root
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := compile.CombinedOutput()
	require.NoError(t, err, string(output))
	return binary
}

// startServers starts two servers with new data, one without and one with keys.
func startServers(t *testing.T, binary string) servers {
	t.Helper()
	dir := t.TempDir()
	configFile, keyed := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "keyed")
	require.NoError(t, os.WriteFile(configFile, config(builtinModel), 0o600))
	return servers{
		open:  serve(t, binary, "--config", configFile, "--data", filepath.Join(dir, "open")),
		keyed: serve(t, binary, "--config", configFile, "--data", keyed, "--auth", "keys"),
		key:   newKey(t, binary, keyed),
	}
}

// servers are two servers: the base URL of one that is open to everybody, and of
// one that wants the key.
type servers struct{ open, keyed, key string }

// environment tells a suite where they are.
func (s servers) environment() []string {
	return []string{
		"UNDERSTUDY_BASE_URL=" + s.open, "UNDERSTUDY_KEYS_BASE_URL=" + s.keyed, "UNDERSTUDY_API_KEY=" + s.key,
		"UNDERSTUDY_WEBHOOK_SECRET=" + webhookSecret,
	}
}

// newKey makes a key in a data directory, which a server may use.
func newKey(t *testing.T, binary, data string) string {
	t.Helper()
	create := exec.CommandContext(t.Context(), binary, "keys", "create", "sdk", "--data", data)
	create.Env = hermetic()
	key, err := create.Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(key))
}

var readyLine = regexp.MustCompile(`msg="understudy is ready".* base_url=(\S+)`)

// serve starts the server on a free port, waits until it is ready, and stops it
// when the test ends.
func serve(t *testing.T, binary string, flags ...string) (baseURL string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	server := exec.CommandContext(ctx, binary, append([]string{"serve", "--listen", "127.0.0.1:0"}, flags...)...)
	server.Env = hermetic()
	server.Cancel = func() error { return server.Process.Signal(syscall.SIGTERM) }
	server.WaitDelay = 10 * time.Second
	stderr, err := server.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, server.Start())

	ready := make(chan string, 1)
	ended := make(chan string, 1) // with all that was logged
	go func() {
		defer close(ready)
		var log strings.Builder
		for lines := bufio.NewReader(stderr); ; {
			line, err := lines.ReadString('\n')
			log.WriteString(line)
			if m := readyLine.FindStringSubmatch(line); m != nil {
				ready <- m[1]
			}
			if err != nil {
				ended <- log.String()
				return
			}
		}
	}()
	baseURL, ok := <-ready
	if !ok {
		t.Fatalf("the server did not start: %s", <-ended)
	}
	t.Cleanup(func() {
		stop()
		log := <-ended
		_ = server.Wait() // it was told to stop
		for line := range strings.Lines(log) {
			if strings.Contains(line, "level=ERROR") || strings.Contains(line, "panic") {
				t.Errorf("the server logged: %s", line)
			}
		}
	})
	return baseURL
}

// hermetic is the environment without what configures a server.
func hermetic() []string {
	var env []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "OPENAI_") && !strings.HasPrefix(variable, "UNDERSTUDY_") {
			env = append(env, variable)
		}
	}
	return env
}
