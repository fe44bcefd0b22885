package chat

import (
	"context"
	"io"
	"net/http"
	"sync"
)

// HandlerTransport returns a RoundTripper that lets h answer in memory. An
// answer is there as soon as its header is written, and its body streams: the
// handler's writes wait for the reader. The end of the request's context, or
// closing the body, ends the context that the handler sees.
func HandlerTransport(h http.Handler) http.RoundTripper { return handlerTransport{h} }

type handlerTransport struct{ handler http.Handler }

func (t handlerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	pr, pw := io.Pipe()
	w := &pipeWriter{header: http.Header{}, body: pw, ready: make(chan struct{})}
	inner := req.Clone(ctx)
	inner.RequestURI = req.URL.RequestURI()
	if inner.Body == nil {
		inner.Body = http.NoBody
	}
	stop := context.AfterFunc(ctx, func() { _ = pw.CloseWithError(context.Cause(ctx)) })
	go func() {
		defer stop()
		defer inner.Body.Close()
		w.serve(t.handler, inner)
	}()
	select {
	case <-w.ready:
	case <-ctx.Done():
		cancel()
		return nil, context.Cause(ctx)
	}
	return &http.Response{
		Status:     http.StatusText(w.status),
		StatusCode: w.status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        w.sent,
		Body:          pipeBody{pr, cancel},
		ContentLength: -1,
		Request:       req,
	}, nil
}

// pipeWriter is the ResponseWriter of an answer in memory.
type pipeWriter struct {
	header http.Header
	body   *io.PipeWriter
	once   sync.Once
	ready  chan struct{} // closed when status and sent are set
	status int
	sent   http.Header
}

func (w *pipeWriter) Header() http.Header { return w.header }

func (w *pipeWriter) WriteHeader(status int) {
	w.once.Do(func() {
		w.status = status
		w.sent = w.header.Clone()
		close(w.ready)
	})
}

func (w *pipeWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// Flush sends the header; what was written is already on its way.
func (w *pipeWriter) Flush() { w.WriteHeader(http.StatusOK) }

// serve runs the handler and ends the body: cleanly when the handler
// returned by itself, as a broken connection when it panicked.
func (w *pipeWriter) serve(h http.Handler, req *http.Request) {
	ctx := req.Context()
	defer func() {
		err := io.EOF
		switch {
		case recover() != nil:
			err = io.ErrUnexpectedEOF
		case ctx.Err() != nil:
			err = context.Cause(ctx) // the handler gave up, this is no end
		}
		w.WriteHeader(http.StatusOK)
		_ = w.body.CloseWithError(err)
	}()
	h.ServeHTTP(w, req)
}

// pipeBody ends the handler when the body is closed.
type pipeBody struct {
	*io.PipeReader
	cancel context.CancelFunc
}

func (b pipeBody) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}
