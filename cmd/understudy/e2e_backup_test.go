package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// testBackup backs up a server at work and restores it; damage is noticed.
func testBackup(t *testing.T, p program) {
	from, dir := t.TempDir(), t.TempDir()
	a := p.serve(t, from, nil, "--auth=keys")
	a.as(p.key(t, from, "default"))
	a.fill(t)
	original := map[string]string{}
	a.crawl(t, "default", original)

	file := filepath.Join(dir, "understudy.tar")
	made, code := p.run(t, nil, "backup", "--data="+from, file)
	require.Zero(t, code, made.stderr)
	require.Regexp(t, `^Backed up and verified: a database of \d+ bytes, 4 files of \d+ bytes\.\n$`, made.stdout.String())
	again, code := p.run(t, nil, "backup", "--data="+from, file)
	require.Equal(t, 2, code)
	require.Contains(t, again.stderr.String(), "the file exists")

	to := filepath.Join(dir, "new", "data")
	restored, code := p.run(t, nil, "restore", "--data="+to, file)
	require.Zero(t, code, restored.stderr)
	b := p.serve(t, to, nil, "--auth=keys").as(a.key) // keys are part of a backup
	copied := map[string]string{}
	b.crawl(t, "default", copied)
	require.Equal(t, original, copied)
	full, code := p.run(t, nil, "restore", "--data="+to, file)
	require.Equal(t, 2, code)
	require.Contains(t, full.stderr.String(), "is not empty")

	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	requireNotRestored(t, p, whole)
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(dir, "new"), file}, left, "scratch files")
}

// requireNotRestored damages a backup, in every way, and tries to restore it.
func requireNotRestored(t *testing.T, p program, whole []byte) {
	t.Helper()
	changed := func(at int) []byte {
		damaged := bytes.Clone(whole)
		damaged[at] ^= 1
		return damaged
	}
	database := bytes.Index(whole, []byte("SQLite format 3"))
	for name, backup := range map[string][]byte{
		"empty": {}, "cut": whole[:len(whole)/2], "without a database": append(whole[:database-1536:database-1536], make([]byte, 1024)...),
		"a changed file": changed(1536 + 20), "a changed database": changed(database + 3), "a changed text": changed(len(whole) - 9000), "something else": []byte(strings.Repeat("no tar ", 1000)),
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "damaged.tar")
		require.NoError(t, os.WriteFile(file, backup, 0o600))
		failed, code := p.run(t, nil, "restore", "--data="+filepath.Join(dir, "data"), file)
		require.Equal(t, 1, code, name)
		require.Contains(t, failed.stderr.String(), "nothing was restored: "+file+": ", name)
		left, err := filepath.Glob(filepath.Join(dir, "*"))
		require.NoError(t, err)
		require.Equal(t, []string{file}, left, name)
	}
}
