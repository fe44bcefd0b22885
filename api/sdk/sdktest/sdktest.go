//go:build sdk

// Package sdktest is what the Go suites share: where the server under test
// listens, and a proxy that refuses requests.
package sdktest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// The models that the driver configures: one that answers after 300 ms, one
// that never answers, and one whose backend cannot be reached. Every other name
// is the built-in model, which answers at once.
const (
	Delayed = "delayed"
	Slow    = "slow"
	Broken  = "broken"
)

// Server is the server under test. KeysBaseURL is one that wants APIKey.
type Server struct {
	BaseURL, KeysBaseURL, APIKey string
}

// Running returns the server that the driver started, and skips the test when
// there is none.
func Running(t *testing.T) Server {
	t.Helper()
	s := Server{
		BaseURL:     os.Getenv("UNDERSTUDY_BASE_URL"),
		KeysBaseURL: os.Getenv("UNDERSTUDY_KEYS_BASE_URL"),
		APIKey:      os.Getenv("UNDERSTUDY_API_KEY"),
	}
	if s.BaseURL == "" {
		t.Skip("UNDERSTUDY_BASE_URL is not set: TestSDK runs this suite")
	}
	return s
}

// Root is the address without /v1.
func (s Server) Root() string { return strings.TrimSuffix(s.BaseURL, "/v1") }

// Context ends after a time that no case comes near.
func Context(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Proxy stands in front of the server. It counts the requests, and answers the
// next ones itself for as long as there are faults: with their status.
type Proxy struct {
	BaseURL string

	mu     sync.Mutex
	faults []int
	counts map[string]int // by method and path, such as "POST /v1/threads"
}

// NewProxy starts a proxy that ends with the test.
func NewProxy(t *testing.T, s Server, faults ...int) *Proxy {
	t.Helper()
	p := &Proxy{faults: faults, counts: map[string]int{}}
	forward := Forward(t, s.Root(), nil)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status := p.next(r); status != 0 {
			w.Header().Set("Retry-After-Ms", "1")
			http.Error(w, `{"error":{"message":"a fault of the proxy"}}`, status)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	p.BaseURL = server.URL + "/v1"
	return p
}

func (p *Proxy) next(r *http.Request) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[r.Method+" "+r.URL.Path]++
	if len(p.faults) == 0 {
		return 0
	}
	status := p.faults[0]
	p.faults = p.faults[1:]
	return status
}

// Fail makes the next requests fail with these statuses.
func (p *Proxy) Fail(statuses ...int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = statuses
}

// Count is how often a method and path such as "POST /v1/threads" was asked.
func (p *Proxy) Count(request string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[request]
}
