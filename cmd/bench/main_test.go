package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// TestMain lets the test binary play the roles that bench starts itself in.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == roleWord {
		main()
		return
	}
	var err error
	if buildDir, err = os.MkdirTemp("", "bench-*"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(buildDir) // nothing is lost
		os.Exit(code)
	}))
}

var buildDir string

// built is the server, for all tests that do not care how it is built.
var built = sync.OnceValues(func() (string, error) {
	path := filepath.Join(buildDir, "understudy")
	return path, build(context.Background(), path)
})

// builtServer returns its path.
func builtServer(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command to build the server with")
	}
	path, err := built()
	require.NoError(t, err)
	return path
}

// smoke measures as little as can be against the real server.
func smoke(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out bytes.Buffer
	dir := t.TempDir()
	err := run(ctx, append([]string{"-rounds=1", "-slice=50ms", "-dir=" + dir, "-server=" + builtServer(t)}, args...), &out)
	left, readErr := os.ReadDir(dir)
	require.NoError(t, readErr)
	require.Empty(t, left, "what was made is removed again")
	return out.String(), err
}

// A machine that runs tests is too busy to judge by; that every figure is there
// can be told.
func TestSmoke(t *testing.T) {
	out, err := smoke(t, "-rows=1,3,5,6")
	if err != nil {
		require.ErrorContains(t, err, "miss what they must reach", out)
		require.Contains(t, out, "FAIL")
	}
	require.Len(t, regexp.MustCompile(`(?m) (pass|FAIL)$`).FindAllString(out, -1), 5, out)
	require.NotContains(t, out, "NaN")
	transactions := regexp.MustCompile(`1 in flight +([0-9.]+) `).FindStringSubmatch(out)
	require.NotNil(t, transactions, out)
	require.Greater(t, transactions[1], "1.9", "a message and a run are acknowledged one after the other")
}

func TestProfile(t *testing.T) {
	profiles := filepath.Join(t.TempDir(), "profiles")
	out, err := smoke(t, "-profile="+profiles)
	require.NoError(t, err, out)
	for _, name := range []string{"flows-64.pprof", "flows-1.pprof", "streams-64.pprof", "heap.pprof", "allocs.pprof", "summary.txt"} {
		require.FileExists(t, filepath.Join(profiles, name))
	}
	require.Contains(t, out, "== flows-64")
	require.Contains(t, out, "Type: alloc_space")
}

func TestCommandLine(t *testing.T) {
	for args, complaint := range map[string]string{
		"-rounds=0":   "at least one round",
		"-slice=-1s":  "of slices that last",
		"-rows=1,x":   `there is no row "x"`,
		"-rows=99":    `there is no row "99"`,
		"-sections=x": `there is no table "x"`,
		"role":        "which role",
		"role singer": `there is no role "singer"`,
	} {
		err := run(t.Context(), strings.Fields(args), &bytes.Buffer{})
		require.ErrorContains(t, err, complaint, args)
	}
	require.NoError(t, run(t.Context(), []string{"-h"}, &bytes.Buffer{}))
}
