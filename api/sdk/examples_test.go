//go:build sdk

package sdk

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// example is a folder of docs/examples with the tests of somebody's application.
type example struct {
	name, test string // test is the file with the tests
	command    func(t *testing.T, sdk installed, dir string) ([]string, error)
}

var examples = []example{
	{"pytest", "test_weather.py", func(_ *testing.T, sdk installed, _ string) ([]string, error) {
		interpreter, err := sdk.file("pytest", "bin", "python")
		return []string{interpreter, "-B", "-m", "pytest", "-p", "no:cacheprovider"}, err
	}},
	{"vitest", "weather.test.js", func(t *testing.T, sdk installed, dir string) ([]string, error) {
		node, err := node("", "")(sdk)
		if err != nil {
			return nil, err
		}
		modules, err := sdk.file("vitest", "node_modules")
		require.NoError(t, os.Symlink(modules, filepath.Join(dir, "node_modules")))
		return []string{node[0], filepath.Join(modules, "vitest", "vitest.mjs"), "run"}, err
	}},
}

// TestExamples runs what docs/record-replay.md shows: with the recordings that
// are there, with a question that is not in them, and recording them anew.
func TestExamples(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	sdk := installed(os.Getenv("SDK_DIR"))
	if sdk == "" {
		sdk = installed(filepath.Join(root, ".sdk"))
	}
	binary := build(t, root)
	for _, e := range examples {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join(root, "docs", "examples", e.name))))
			command, err := e.command(t, sdk, dir)
			if err != nil && os.Getenv("CI") == "" {
				t.Skip(err)
			}
			require.NoError(t, err)
			run := func(env ...string) (string, error) {
				ctx, cancel := context.WithTimeout(t.Context(), suiteTimeout)
				defer cancel()
				tests := exec.CommandContext(ctx, command[0], command[1:]...)
				tests.Dir, tests.Env = dir, append(append(hermetic(), "UNDERSTUDY="+binary, "NO_COLOR=1"), env...)
				output, err := tests.CombinedOutput()
				return string(output), err
			}
			output, err := run()
			require.NoError(t, err, output)

			path := filepath.Join(dir, e.test)
			original, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, bytes.Replace(original, []byte("Paris?"), []byte("Pariz?"), 1), 0o600))
			output, err = run()
			require.Error(t, err, "a byte of a prompt has changed")
			require.Contains(t, output, `differs at messages[1].content, character 28: recorded "What is the weather in Paris?", now "What is the weather in Pariz?".`)

			require.NoError(t, os.WriteFile(path, original, 0o600))
			require.NoError(t, os.RemoveAll(filepath.Join(dir, "recordings")))
			output, err = run("RECORD=1")
			require.NoError(t, err, output)
			made, err := os.ReadDir(filepath.Join(dir, "recordings"))
			require.NoError(t, err)
			kept, err := os.ReadDir(filepath.Join(root, "docs", "examples", e.name, "recordings"))
			require.NoError(t, err)
			require.Len(t, made, len(kept))
			for i := range kept {
				require.Equal(t, kept[i].Name(), made[i].Name(), "the recordings are those of these tests")
			}
			fmt.Fprintf(os.Stdout, "example %s: passed\n", e.name)
		})
	}
}
