package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api"
	"understudy/runs/chat"
)

func TestRelayedStreamsAreNotHeldBack(t *testing.T) {
	seen := make(chan string)
	far := newFarSide(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		flush := http.NewResponseController(w).Flush
		for _, event := range []string{"", ": ping\n\n", "data: {\"a\":", "1}\n\n", "data: [DONE]\n\n"} {
			_, _ = io.WriteString(w, event)
			_ = flush()
			select { // the client has it before there is more
			case got := <-seen:
				if got != event {
					panic(http.ErrAbortHandler)
				}
			case <-r.Context().Done():
				return
			}
		}
	})
	url := relaying(t, chat.Config{Upstreams: []chat.Upstream{{Name: "u", BaseURL: far.url}}}, api.Options{})
	response := ask(t, "POST", url+"/v1/chat/completions", strings.NewReader(`{"stream":true}`))
	require.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	seen <- ""
	var all strings.Builder
	for buf := make([]byte, 100); ; {
		n, err := response.Body.Read(buf)
		all.Write(buf[:n])
		if n > 0 {
			seen <- string(buf[:n])
		}
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
	}
	require.Equal(t, ": ping\n\ndata: {\"a\":1}\n\ndata: [DONE]\n\n", all.String())
}

func TestRelayedUploadsAreNotHeldBack(t *testing.T) {
	begun := make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.CopyN(io.Discard, r.Body, 1<<20)
		close(begun)
		rest, restErr := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, rest, errors.Join(err, restErr))
	}))
	t.Cleanup(upstream.Close)
	url := relaying(t, chat.Config{Upstreams: []chat.Upstream{{Name: "u", BaseURL: upstream.URL}}}, api.Options{})
	out, in := io.Pipe()
	go func() {
		_, _ = io.WriteString(in, `{"model":"m","x":"`+strings.Repeat("x", 2<<20))
		<-begun
		_ = in.CloseWithError(func() error { _, err := io.WriteString(in, `"}`); return err }())
	}()
	response := ask(t, "POST", url+"/v1/responses", out)
	require.Equal(t, fmt.Sprint(len(`{"model":"m","x":"`)+1<<20+len(`"}`), error(nil)), text(t, response))
}

func TestAnAnswerThatBreaksOffBreaksOff(t *testing.T) {
	for name, length := range map[string]string{"with a length": "100", "without": ""} {
		t.Run(name, func(t *testing.T) {
			far := newFarSide(t, func(w http.ResponseWriter, _ *http.Request) {
				if length != "" {
					w.Header().Set("Content-Length", length)
				}
				_, _ = io.WriteString(w, "data: half")
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			})
			url := relaying(t, chat.Config{Upstreams: []chat.Upstream{{Name: "u", BaseURL: far.url}}}, api.Options{})
			response := ask(t, "POST", url+"/v1/chat/completions", strings.NewReader(`{}`))
			body, err := io.ReadAll(response.Body)
			require.Equal(t, "data: half", string(body))
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		})
	}
}

func TestAClientThatLeavesEndsItsCall(t *testing.T) {
	for name, speak := range map[string]bool{"before the answer": false, "within it": true} {
		t.Run(name, func(t *testing.T) {
			under, gone := make(chan struct{}), make(chan struct{})
			far := newFarSide(t, func(w http.ResponseWriter, r *http.Request) {
				if speak {
					_, _ = io.WriteString(w, "data: x\n\n")
					_ = http.NewResponseController(w).Flush()
				}
				close(under)
				<-r.Context().Done()
				close(gone)
			})
			url := relaying(t, chat.Config{Upstreams: []chat.Upstream{{Name: "u", BaseURL: far.url}}}, api.Options{})
			ctx, leave := context.WithCancel(t.Context())
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/chat/completions", strings.NewReader(`{}`))
			require.NoError(t, err)
			left := make(chan struct{})
			go func() {
				defer close(left)
				response, err := new(http.Transport).RoundTrip(r)
				if err == nil {
					_, _ = io.Copy(io.Discard, response.Body)
					_ = response.Body.Close()
				}
			}()
			<-under
			leave()
			<-gone
			<-left
		})
	}
}

func TestAnUploadThatBreaksOff(t *testing.T) {
	for name, size := range map[string]int{"before it is sent on": 10, "after": 2 << 20} {
		t.Run(name, func(t *testing.T) {
			far := newFarSide(t, nil)
			var log bytes.Buffer
			client, err := chat.New(chat.Config{Upstreams: []chat.Upstream{{Name: "u", BaseURL: far.url}}})
			require.NoError(t, err)
			t.Cleanup(client.Close)
			handler := api.New(api.Options{Upstreams: client, Now: time.Now, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			body := io.MultiReader(strings.NewReader(`{"model":"m","x":"`+strings.Repeat("x", size)), brokenReader{})
			answer := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/v1/responses", body)
			handler.ServeHTTP(answer, r)
			require.Equal(t, http.StatusBadRequest, answer.Code)
			require.Contains(t, answer.Body.String(), "The request body could not be read to its end.")
			require.NotContains(t, log.String(), "level=ERROR")
			require.Empty(t, far.calls)
		})
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
