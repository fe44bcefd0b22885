package files

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPut: a blob keeps its name, and only what the name says is taken or copied.
func TestPut(t *testing.T) {
	from, err := OpenBlobs(t.TempDir())
	require.NoError(t, err)
	to, err := OpenBlobs(t.TempDir())
	require.NoError(t, err)
	draft, err := from.Receive(strings.NewReader("the content"), 100, ErrTooLarge)
	require.NoError(t, err)
	name, err := draft.Commit()
	require.NoError(t, err)

	require.ErrorContains(t, to.Put(name, strings.NewReader("another")), "is damaged")
	require.ErrorContains(t, to.Put("../"+name, strings.NewReader("the content")), "is not the name of a blob")
	_, _, err = to.Open(name)
	require.Error(t, err)
	require.NoError(t, to.Put(name, strings.NewReader("the content")))

	content, size, err := to.Open(name)
	require.NoError(t, err)
	require.EqualValues(t, len("the content"), size)
	var copied bytes.Buffer
	require.NoError(t, CopyBlob(&copied, name, content))
	require.NoError(t, content.Close())
	require.Equal(t, "the content", copied.String())
	require.ErrorContains(t, CopyBlob(&copied, name, strings.NewReader("another")), "is damaged")
}
