package extract

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klippa-app/go-pdfium/requests"
	"github.com/stretchr/testify/require"
)

func (e *engines) running() bool {
	return slices.ContainsFunc(e.all, func(one *engine) bool {
		one.mu.Lock()
		defer one.mu.Unlock()
		return one.pool != nil
	})
}

// TestTheEngineRunsOnlyWhenItIsNeeded follows it through its life, in virtual time.
func TestTheEngineRunsOnlyWhenItIsNeeded(t *testing.T) {
	content := onePage("", stream("", "BT /F 12 Tf 50 700 Td (Hello) Tj ET"))
	synctest.Test(t, func(t *testing.T) {
		e := New(Options{CacheDir: cache, IdleAfter: time.Minute, Timeout: time.Hour})
		read := func(name, content string) {
			doc, err := e.Extract(t.Context(), name, bytes.NewReader([]byte(content)), int64(len(content)))
			require.NoError(t, err)
			require.Equal(t, "Hello", doc.Text())
		}

		read("a.txt", "Hello")
		require.False(t, e.engines.running(), "text needs no engine")

		read("a.pdf", string(content))
		time.Sleep(59 * time.Second)
		synctest.Wait()
		require.True(t, e.engines.running(), "another PDF may come")

		read("a.pdf", string(content))
		time.Sleep(59 * time.Second)
		synctest.Wait()
		require.True(t, e.engines.running(), "it was used less than a minute ago")

		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.False(t, e.engines.running(), "nobody has used it for a minute")

		read("a.pdf", string(content))
		require.NoError(t, e.Close())
		require.False(t, e.engines.running())
		_, err := e.Extract(t.Context(), "a.pdf", bytes.NewReader(content), int64(len(content)))
		require.ErrorIs(t, err, errStopped)
	})
}

// TestPDFsAreReadSideBySide reads more than there may be instances.
func TestPDFsAreReadSideBySide(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("testdata", "letter.pdf"))
	require.NoError(t, err)
	e := New(Options{CacheDir: cache})
	var all sync.WaitGroup
	for range 2 * maxInstances {
		all.Go(func() {
			doc, err := e.Extract(t.Context(), "a.pdf", bytes.NewReader(content), int64(len(content)))
			if err != nil || len(doc.Blocks) == 0 {
				t.Errorf("%v %v", doc, err)
			}
		})
	}
	all.Wait()
	require.NoError(t, e.Close())
}

// TestTheEngineSeesNoFiles asks it for one of ours.
func TestTheEngineSeesNoFiles(t *testing.T) {
	e := New(Options{CacheDir: cache})
	defer func() { require.NoError(t, e.Close()) }()
	instance, done, err := e.engines.instance(t.Context())
	require.NoError(t, err)
	defer done()
	path, err := filepath.Abs(filepath.Join("testdata", "letter.pdf"))
	require.NoError(t, err)
	_, err = instance.OpenDocument(&requests.OpenDocument{FilePath: &path})
	require.Error(t, err)
}
