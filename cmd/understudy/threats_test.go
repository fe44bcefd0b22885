package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestThreatsNameTests: every test that the page of threats names is there.
func TestThreatsNameTests(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "threats.md"))
	require.NoError(t, err)
	var tests strings.Builder
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		tests.Write(content)
		return err
	}))
	names := regexp.MustCompile("`([Tt]est[A-Z][A-Za-z0-9]*)`").FindAllSubmatch(page, -1)
	require.NotEmpty(t, names)
	for _, name := range names {
		require.Contains(t, tests.String(), "\nfunc "+string(name[1])+"(", "docs/threats.md")
	}
}
