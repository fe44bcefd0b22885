package chat

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sashabaranov/go-openai"
)

const benchDeltas = 1000

func benchStream() []byte {
	var out bytes.Buffer
	for i := range benchDeltas {
		fmt.Fprintf(&out, `data: {"id":"chatcmpl-Ax2bU1RFE8P0Y9uqKcErQNLcx4dDe","object":"chat.completion.chunk","created":1738634724,`+
			`"model":"gpt-4o-2024-08-06","service_tier":"default","system_fingerprint":"fp_4691090a87",`+
			`"choices":[{"index":0,"delta":{"content":" token%d"},"logprobs":null,"finish_reason":null}],"usage":null}`+"\n\n", i)
	}
	out.WriteString(`data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n")
	return out.Bytes()
}

// BenchmarkReader reads the same stream with our reader and with go-openai's.
// One operation is one delta.
func BenchmarkReader(b *testing.B) {
	stream := benchStream()
	for _, reader := range []struct {
		name string
		read func(*testing.B, []byte)
	}{{"understudy", readOurs}, {"go-openai", readGoOpenAI}} {
		b.Run(reader.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(stream) / benchDeltas))
			for i := 0; i < b.N; i += benchDeltas {
				reader.read(b, stream)
			}
		})
	}
}

func readOurs(b *testing.B, stream []byte) {
	b.Helper()
	r := read(bytes.NewReader(stream), &fold{sink: &shownSink{}, now: time.Now})
	if _, f := r.fold.settle(r.ended, nil); f != nil {
		b.Fatal(f.message)
	}
}

func readGoOpenAI(b *testing.B, stream []byte) {
	b.Helper()
	config := openai.DefaultConfig("")
	config.HTTPClient = doer{stream}
	s, err := openai.NewClientWithConfig(config).CreateChatCompletionStream(b.Context(), openai.ChatCompletionRequest{Model: "m"})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var text strings.Builder
	for {
		chunk, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			b.Fatal(err)
		}
		text.WriteString(chunk.Choices[0].Delta.Content)
	}
}

type doer struct{ body []byte }

func (d doer) Do(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(d.body))}, nil
}
