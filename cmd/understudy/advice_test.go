package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever keeps a command from using the database, the last it says is what to do, once.
func TestFailuresSayWhatToDo(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "understudy.db"), 0o700)) // SQLite cannot open it
	for _, args := range [][]string{
		{"backup", "--data", dir, filepath.Join(t.TempDir(), "backup.tar")},
		{"keys", "create", "laptop", "--data", dir},
		{"erase", "--data", dir, "--user", "alice"},
	} {
		t.Run(args[0], func(t *testing.T) {
			var out, said bytes.Buffer
			code := Run(t.Context(), args, System{Stdout: &out, Stderr: &said, Getenv: func(string) string { return "" }})
			require.Equal(t, 1, code)
			require.Equal(t, 1, strings.Count(said.String(), "make the file and its directory writable for this user"), said.String())
		})
	}
}
