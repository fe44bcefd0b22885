//go:build sdk

// Package sdk runs the suites of other people's clients against the built
// server. They are named by their SDK and its version.
package sdk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// suite is one SDK's cases. command returns how to run them, or an error that
// says what is missing.
type suite struct {
	name    string
	command func(installed) ([]string, error)
}

var suites = []suite{
	{"openai-python 3.54.0", python("3.54.0", "v2.py")},
	{"openai-python 1.109.1", python("1.109.1", "v2.py")},
	{"openai-python 1.20.0 (v1)", python("1.20.0", "v1.py")},
	{"npm openai 7.57.0", node("7.57.0", "v2.mjs")},
	{"npm openai 4.104.0", node("4.104.0", "v2.mjs")},
	{"npm openai 4.36.0 (v1)", node("4.36.0", "v1.mjs")},
	{"openai-go v3.96.0", goTest("openaigo")},
	{"go-openai v1.43.0", goTest("goopenai")},
}

// installed is the folder that make sdk-install fills.
type installed string

func (dir installed) file(elem ...string) (string, error) {
	path := filepath.Join(append([]string{string(dir)}, elem...)...)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s is not installed: run make sdk-install", path)
	}
	return path, nil
}

func python(version, script string) func(installed) ([]string, error) {
	return func(dir installed) ([]string, error) {
		if _, err := dir.file("python-"+version, ".installed"); err != nil {
			return nil, err
		}
		interpreter, err := dir.file("python-"+version, "bin", "python")
		return []string{interpreter, "-B", filepath.Join("api", "sdk", "python", script)}, err
	}
}

// node runs a script with the node that npm installed, as the machine's may be
// older than the newest SDK wants.
func node(version, script string) func(installed) ([]string, error) {
	return func(dir installed) ([]string, error) {
		if _, err := dir.file("node", ".installed"); err != nil {
			return nil, err
		}
		modules := filepath.Join(string(dir), "node", "node_modules")
		binaries, err := filepath.Glob(filepath.Join(modules, "node-*", "bin", "node"))
		if err != nil || len(binaries) == 0 {
			return nil, fmt.Errorf("%s has no node for this machine: add its package to api/sdk/node/package.json", modules)
		}
		return []string{binaries[0], filepath.Join("api", "sdk", "node", script), filepath.Join(modules, "openai-"+version)}, nil
	}
}

// quickCompile leaves the optimisation of openai-go out, which takes longer than
// all suites. It is what make sdk-install has compiled.
const quickCompile = "-gcflags=github.com/openai/openai-go/v3/...=-N -l"

func goTest(name string) func(installed) ([]string, error) {
	return func(installed) ([]string, error) {
		return []string{"go", "test", "-tags", "sdk", "-count=1", "-vet=off", quickCompile, "-v", "./api/sdk/" + name}, nil
	}
}

// TestSDK runs every suite. What is not installed is skipped by name, or fails
// when CI is set.
func TestSDK(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	dir := installed(os.Getenv("SDK_DIR"))
	if dir == "" {
		dir = installed(filepath.Join(root, ".sdk"))
	}
	binary := build(t, root)
	var passed, failed atomic.Int64
	t.Run("suites", func(t *testing.T) {
		for _, s := range suites {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				command, err := s.command(dir)
				if err != nil && os.Getenv("CI") == "" {
					fmt.Fprintf(os.Stdout, "suite %s: skipped: %v\n", s.name, err)
					t.Skip(err)
				}
				if err != nil {
					failed.Add(1)
					t.Fatal(err)
				}
				start := time.Now()
				p, f := s.run(t, command, root, startServers(t, binary))
				fmt.Fprintf(os.Stdout, "suite %s: %d passed, %d failed, %.1f s\n", s.name, p, f, time.Since(start).Seconds())
				passed.Add(p)
				failed.Add(f)
			})
		}
	})
	fmt.Fprintf(os.Stdout, "sdk: %d passed, %d failed\n", passed.Load(), failed.Load())
}

// suiteTimeout is far more than a suite needs on a busy machine, the compilation
// of openai-go included.
const suiteTimeout = 4 * time.Minute

// run runs the suite's command against the servers and counts its cases. A suite that ends without
// its last line, or without any case, is one failure.
func (s suite) run(t *testing.T, command []string, root string, servers servers) (passed, failed int64) {
	t.Helper()
	env := append(hermetic(), servers.environment()...)
	ctx, cancel := context.WithTimeout(t.Context(), suiteTimeout)
	defer cancel()
	run := exec.CommandContext(ctx, command[0], command[1:]...)
	run.WaitDelay = time.Second // for what the command itself has started
	run.Dir, run.Env = root, env
	output, err := run.CombinedOutput()
	passed, failed = count(string(output))
	if failed == 0 && (err != nil || passed == 0) {
		failed = 1
	}
	if failed > 0 {
		t.Errorf("%s (%v)\n%s", strings.Join(command, " "), err, output)
	}
	return passed, failed
}

var lastLine = regexp.MustCompile(`(?m)^passed=(\d+) failed=(\d+)\s*\z`)

// count reads the last line of a suite, or the results that go test -v prints
// of each top-level test.
func count(output string) (passed, failed int64) {
	if m := lastLine.FindStringSubmatch(output); m != nil {
		passed, _ = strconv.ParseInt(m[1], 10, 64)
		failed, _ = strconv.ParseInt(m[2], 10, 64)
		return passed, failed
	}
	for line := range strings.Lines(output) {
		switch {
		case strings.HasPrefix(line, "--- PASS: "):
			passed++
		case strings.HasPrefix(line, "--- FAIL: "):
			failed++
		}
	}
	return passed, failed
}
