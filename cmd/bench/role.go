package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// play is what the child processes do: it serves as the backend or the proxy
// on a free port, tells its base URL, and ends with ctx.
func play(ctx context.Context, role, target string, out io.Writer) error {
	var handler http.Handler
	switch role {
	case "backend":
		handler = http.HandlerFunc(answer)
	case "proxy":
		base, err := url.Parse(target)
		if err != nil {
			return err
		}
		proxy := &httputil.ReverseProxy{
			Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(base) },
			Transport: newClient().Transport,
		}
		handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// An answer so fast that the request's end has not been passed on
			// yet would otherwise have that end cut off, and the exchange with it.
			_ = http.NewResponseController(w).EnableFullDuplex() // HTTP/1 can
			proxy.ServeHTTP(w, r)
		})
	default:
		return fmt.Errorf("-role: %q is unknown; write backend or proxy instead", role)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() }) // Serve tells it
	fmt.Fprintf(out, "http://%s\n", listener.Addr())
	if err := server.Serve(listener); ctx.Err() == nil {
		return err
	}
	return nil
}

// script is the backend's answer to everything, in the pieces it is sent in.
var script = []string{
	chunk(`{"role":"assistant","content":""}`, "null"),
	chunk(`{"content":"Fine, "}`, "null"),
	chunk(`{"content":"thank you."}`, "null"),
	chunk(`{}`, `"stop"`) +
		`data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":5,"total_tokens":25}}` + "\n\n" +
		"data: [DONE]\n\n",
}

func chunk(delta, finish string) string {
	return `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":` + delta + `,"finish_reason":` + finish + `}]}` + "\n\n"
}

// answer is the backend: it streams the script without any delay.
func answer(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return // the caller has left
	}
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	for _, piece := range script {
		if _, err := io.WriteString(w, piece); err != nil || control.Flush() != nil {
			return
		}
	}
}
