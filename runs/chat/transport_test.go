package chat

import (
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/runs/chat/chattest"
)

// rawChunks turns texts into the chunks of a raw answer.
func rawChunks(texts ...string) []json.RawMessage {
	var out []json.RawMessage
	for _, s := range texts {
		out = append(out, quoted(s))
	}
	return out
}

// Ends of an answer on a real connection, beyond those of the zoo.
func TestEndsOfAnswers(t *testing.T) {
	begun := `data: {"choices":[{"delta":{"content":"x"}}]}` + "\n\n"
	finished := `data: {"choices":[{"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	document := message(`{"content":"x"}`)
	for name, tc := range map[string]struct {
		answer chattest.Answer
		fails  string // contained in the error; "" = the answer is whole
	}{
		"hangs inside":             {chattest.Answer{Status: 200, Chunks: rawChunks(begun), End: "hang"}, "nothing more"},
		"hangs behind its finish":  {chattest.Answer{Status: 200, Chunks: rawChunks(begun, finished), End: "hang"}, ""},
		"hangs behind done":        {chattest.Answer{Status: 200, Chunks: rawChunks(begun, "data: [DONE]\n\n"), End: "hang"}, ""},
		"hangs inside a document":  {chattest.Answer{Status: 200, Chunks: rawChunks(document[:20]), End: "hang"}, "nothing more"},
		"hangs behind a document":  {chattest.Answer{Status: 200, Chunks: rawChunks(document), End: "hang"}, ""},
		"cut behind its finish":    {chattest.Answer{Status: 200, Chunks: rawChunks(begun, finished), End: "cut"}, ""},
		"a short document":         {chattest.Answer{Status: 200, Body: &document, End: "cut"}, "broke"},
		"closed behind its finish": {chattest.Answer{Status: 200, Chunks: rawChunks(begun, finished), Framing: "close"}, ""},
		"closed inside":            {chattest.Answer{Status: 200, Chunks: rawChunks(begun), Framing: "close", Proto: "HTTP/1.0"}, "before it was finished"},
		"not gzip":                 {chattest.Answer{Status: 200, Headers: map[string]string{"Content-Encoding": "gzip"}, Body: &document}, "is not gzip, which its Content-Encoding header says"},
		"another encoding":         {chattest.Answer{Status: 200, Headers: map[string]string{"Content-Encoding": "br"}, Body: &document}, "Content-Encoding \"br\", which was not asked for"},
		"a redirect":               {chattest.Answer{Status: 301, Headers: map[string]string{"Location": "/elsewhere"}, Body: &document}, "redirect"},
		"a hanging error":          {chattest.Answer{Status: 500, Chunks: rawChunks(`{"error":"broke`), End: "hang"}, "500"},
	} {
		t.Run(name, func(t *testing.T) {
			server := chattest.Serve(t, tc.answer)
			client, err := New(Config{Upstreams: []Upstream{{BaseURL: server.URL(), MaxRetries: -1, IdleTimeout: 100 * time.Millisecond}}})
			require.NoError(t, err)
			defer client.Close()
			answer, err := client.Complete(t.Context(), hello("m"), nil)
			if tc.fails != "" {
				require.ErrorContains(t, err, tc.fails)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "x", answer.Text)
			requests, _ := server.Counts()
			require.Equal(t, 1, requests)
		})
	}
}

func TestUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	listener.Close()
	plain := chattest.Serve(t, chattest.Answer{Status: 200, Chunks: rawChunks(deltas(`{"content":"x"}`))})
	for base, want := range map[string]string{
		"http://" + address: "connection refused",
		strings.Replace(plain.URL(), "http:", "https:", 1): "could not be reached",
	} {
		client, err := New(Config{Upstreams: []Upstream{{BaseURL: base, MaxRetries: -1}}})
		require.NoError(t, err)
		_, err = client.Complete(t.Context(), hello("m"), nil)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), address)
		client.Close()
	}
}

// A connection is used again, also behind an answer that ends in [DONE].
func TestConnectionsAreReused(t *testing.T) {
	server := chattest.Serve(t, chattest.Answer{Status: 200, Chunks: rawChunks(deltas(`{"content":"x"}`))})
	client, err := New(Config{Upstreams: []Upstream{{BaseURL: server.URL()}}})
	require.NoError(t, err)
	defer client.Close()
	for range 5 {
		_, err := client.Complete(t.Context(), hello("m"), nil)
		require.NoError(t, err)
	}
	requests, connections := server.Counts()
	require.Equal(t, 5, requests)
	require.Equal(t, 1, connections)
}
