// Package otlptest has a collector of spans for tests: a server on loopback that
// takes OTLP as the standard has it.
package otlptest

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Span is a span as the collector got it. Ids are in hexadecimal.
type Span struct {
	*otlp.Span
	Resource   map[string]any
	Attributes map[string]any
}

// ID is the span's id.
func (s Span) ID() string { return hex.EncodeToString(s.SpanId) }

// Trace is the id of the span's trace.
func (s Span) Trace() string { return hex.EncodeToString(s.TraceId) }

// Parent is the id of the span's parent, "" for a root.
func (s Span) Parent() string { return hex.EncodeToString(s.ParentSpanId) }

// Collector keeps the spans it is sent.
type Collector struct {
	URL     string
	Headers http.Header // of the newest request

	mu    sync.Mutex
	spans []Span
	more  chan struct{} // closed and replaced when spans came
}

// New starts a collector, which ends with the test.
func New(t testing.TB) *Collector {
	c := &Collector{more: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/v1/traces", r.URL.Path)
		assert.Equal(t, "application/x-protobuf", r.Header.Get("Content-Type"))
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			unzipped, err := gzip.NewReader(body)
			if !assert.NoError(t, err) {
				return
			}
			body = unzipped
		}
		raw, err := io.ReadAll(body)
		var got collector.ExportTraceServiceRequest
		if assert.NoError(t, err) && assert.NoError(t, proto.Unmarshal(raw, &got)) {
			c.take(&got, r.Header)
		}
		answer, err := proto.Marshal(&collector.ExportTraceServiceResponse{})
		assert.NoError(t, err)
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(answer)
	}))
	t.Cleanup(server.Close)
	c.URL = server.URL
	return c
}

func (c *Collector) take(got *collector.ExportTraceServiceRequest, headers http.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Headers = headers
	for _, resource := range got.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				c.spans = append(c.spans, Span{Span: span, Resource: plain(resource.Resource.Attributes), Attributes: plain(span.Attributes)})
			}
		}
	}
	close(c.more)
	c.more = make(chan struct{})
}

// Spans are those that came so far, by their name; no two may share it.
func (c *Collector) Spans(t testing.TB) map[string]Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	byName := map[string]Span{}
	for _, s := range c.spans {
		_, twice := byName[s.Name]
		require.False(t, twice, "two spans are called %q", s.Name)
		byName[s.Name] = s
	}
	return byName
}

// patience bounds every wait; only a failing test spends it.
const patience = 30 * time.Second

// Await waits until so many spans have come, and returns them in their order.
func (c *Collector) Await(t testing.TB, n int) []Span {
	over := time.NewTimer(patience)
	defer over.Stop()
	for {
		c.mu.Lock()
		spans, more := c.spans, c.more
		c.mu.Unlock()
		if len(spans) >= n {
			return spans
		}
		select {
		case <-more:
		case <-over.C:
			require.FailNow(t, "the collector waited in vain", "%d of %d spans came", len(spans), n)
		}
	}
}

// Forget drops the spans that came so far.
func (c *Collector) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spans = nil
}

// plain are attributes as Go has them.
func plain(attributes []*common.KeyValue) map[string]any {
	values := map[string]any{}
	for _, a := range attributes {
		values[a.Key] = value(a.Value)
	}
	return values
}

func value(v *common.AnyValue) any {
	switch v := v.Value.(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_IntValue:
		return int(v.IntValue)
	case *common.AnyValue_DoubleValue:
		return v.DoubleValue
	case *common.AnyValue_BoolValue:
		return v.BoolValue
	case *common.AnyValue_ArrayValue:
		all := []any{}
		for _, item := range v.ArrayValue.Values {
			all = append(all, value(item))
		}
		return all
	}
	return nil
}
