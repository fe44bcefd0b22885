package chat

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
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
// returns is clean, and that the network's splits do not matter.
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
	f.Fuzz(func(t *testing.T, body, cuts []byte) {
		whole, shown := readAll(strings.NewReader(string(body)))
		split, _ := readAll(&splitReader{data: body, cuts: cuts})
		require.Equal(t, whole, split)
		require.True(t, strings.HasPrefix(whole.text, shown))
		require.True(t, utf8.ValidString(whole.text+whole.refusal+whole.reasoning))
		for _, c := range whole.calls {
			require.NotEmpty(t, c.Name)
			require.NotEmpty(t, c.Arguments)
			require.True(t, utf8.ValidString(c.Name+c.Arguments))
		}
		require.Equal(t, stateOf(strings.NewReader(string(body))), stateOf(&splitReader{data: body, cuts: cuts}))
		_ = classify(500, nil, body)
	})
}

// stateOf returns what would be stored with the answer.
func stateOf(body io.Reader) string {
	r := read(body, &fold{now: time.Now})
	answer, f := r.fold.settle(r.ended, zooTools())
	if f != nil {
		return ""
	}
	return string(r.fold.state(Target{"up", "m"}, len(answer.Calls)))
}
