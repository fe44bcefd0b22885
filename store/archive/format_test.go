package archive

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/store"
)

// written is an archive of a few lines.
func written(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	w := newWriter(&out)
	require.NoError(t, w.write(line{Entry: store.Entry{Kind: headKind}, Format: Format}))
	require.NoError(t, w.write(line{Entry: store.Entry{Kind: "thread", Project: "p", Object: []byte(`{"a":"<&> ä"}`), Row: store.Columns{"seq": int64(1)}}}))
	require.NoError(t, w.content(strings.NewReader(strings.Repeat("x", contentBytes+1))))
	require.NoError(t, w.end())
	return out.Bytes()
}

// readAll reads an archive to its end and returns its lines.
func readAll(archive []byte) (all []line, err error) {
	r := newReader(bytes.NewReader(archive))
	if err := r.head(); err != nil {
		return nil, err
	}
	for {
		l, err := r.read()
		if err != nil {
			return nil, err
		}
		if l.Kind == endKind {
			return all, r.checkEnd(l)
		}
		all = append(all, l)
	}
}

func TestLinesComeBack(t *testing.T) {
	all, err := readAll(written(t))
	require.NoError(t, err)
	require.Len(t, all, 3)
	require.JSONEq(t, `{"a":"<&> ä"}`, string(all[0].Object))
	require.Equal(t, int64(1), all[0].Row["seq"])
	require.Len(t, all[1].Data, contentBytes)
	require.False(t, all[1].Last)
	require.Equal(t, "x", string(all[2].Data))
	require.True(t, all[2].Last)
}

// TestEveryChangeIsNoticed: no bit can change, and nothing can be cut off, unseen.
func TestEveryChangeIsNoticed(t *testing.T) {
	whole := written(t)
	for at := 0; at < len(whole); at += 1 + at/50 {
		changed := bytes.Clone(whole)
		changed[at] ^= 1
		_, err := readAll(changed)
		var damage *DamageError
		require.ErrorAs(t, err, &damage, "byte %d", at)
		_, err = readAll(whole[:at])
		require.ErrorAs(t, err, &damage, "cut at %d", at)
	}
}

func TestOtherFormatsAreRefused(t *testing.T) {
	var out bytes.Buffer
	w := newWriter(&out)
	require.NoError(t, w.write(line{Entry: store.Entry{Kind: headKind}, Format: "understudy-archive/v2"}))
	require.NoError(t, w.end())
	_, err := readAll(out.Bytes())
	require.EqualError(t, err, `line 1: it is of the format "understudy-archive/v2"; this understudy reads "understudy-archive/v1"`)
}
