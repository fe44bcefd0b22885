package chat

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"understudy/runs/chat/chattest"
)

// splitReader hands out data in pieces whose sizes come from cuts.
type splitReader struct {
	data []byte
	cuts []byte
	i    int
}

func (s *splitReader) Read(p []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := 1
	if len(s.cuts) > 0 {
		n += int(s.cuts[s.i%len(s.cuts)])
		s.i++
	}
	n = copy(p, s.data[:min(n, len(s.data))])
	s.data = s.data[n:]
	return n, nil
}

// FuzzReader holds that no bytes make the reader panic or hang, that what it
// returns is clean, and that neither the network's splits matter nor which lines
// are alike.
func FuzzReader(f *testing.F) {
	for _, fixture := range chattest.Fixtures(f, "testdata/zoo") {
		body := bytes.Join(fixture.HTTP.Pieces(f), nil)
		if len(body) < 16<<10 {
			f.Add(body, []byte{0, 6, 40})
		}
	}
	f.Add([]byte(deltas(`{"content":[{"type":"thinking","thinking":"a"}],"thinking_blocks":[{"type":"thinking","thinking":"b"}]}`,
		`{"content":[{"type":"thinking","thinking":[{"type":"text","text":"a"}],"signature":"s"}],"thinking_blocks":[{"signature":"t"}]}`, `{"content":"x"}`)), []byte{9, 9})
	f.Add([]byte(texts(`"\ud83d"`, `"\ude00"`, `"<think>a</think>b"`)), []byte{2})
	for _, stream := range repeatedLines() {
		f.Add([]byte(stream), []byte{3})
	}
	f.Fuzz(func(t *testing.T, body, cuts []byte) {
		whole, shown, state := settled(func(f *fold) reading { return read(bytes.NewReader(body), f) })
		split, _, kept := settled(func(f *fold) reading { return read(&splitReader{data: body, cuts: cuts}, f) })
		require.Equal(t, whole, split)
		require.Equal(t, state, kept)
		requireTakenApartAlike(t, body)
		require.True(t, strings.HasPrefix(whole.text, shown))
		require.True(t, utf8.ValidString(whole.text+whole.refusal+whole.reasoning))
		for _, c := range whole.calls {
			require.NotEmpty(t, c.Name)
			require.NotEmpty(t, c.Arguments)
			require.True(t, utf8.ValidString(c.Name+c.Arguments))
		}
		_ = classify(500, nil, body)
	})
}
