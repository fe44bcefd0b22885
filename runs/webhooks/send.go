package webhooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"understudy/runs/outbound"
)

const (
	sendTimeout  = 15 * time.Second // for one attempt, its answer included
	maxAnswer    = 64 << 10         // bytes of an answer that are read, so that its connection can be used again
	idleTimeout  = 30 * time.Second
	dialTimeout  = 10 * time.Second
	maxErrorText = 200 // bytes of what is kept of an error
)

// newTransport reaches endpoints of the configuration.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout: dialTimeout,
		IdleConnTimeout:     idleTimeout,
		MaxIdleConnsPerHost: perLane,
		ForceAttemptHTTP2:   true,
	}
}

// newClient follows no redirect: an event goes where it was meant to go.
func newClient(t http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     t,
		Timeout:       sendTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// failure is why an attempt did not succeed.
type failure struct {
	text  string
	final bool          // it is not tried again
	after time.Duration // the endpoint asked to be left alone for; 0 = it did not
}

// send makes one attempt; nil means that the endpoint took the event.
func (s *Service) send(ctx context.Context, d *Delivery) *failure {
	now := s.settings.Load()
	e, err := now.receiver(d)
	if err != nil {
		return &failure{text: err.Error()}
	}
	client := s.client
	if !d.configured() {
		client = now.guarded
	}
	request, err := s.request(ctx, e, d)
	if err != nil {
		return &failure{text: "the request could not be made"}
	}
	response, err := client.Do(request)
	if err != nil {
		return &failure{text: reason(err)}
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, maxAnswer) // the status has said it all
	switch status := response.StatusCode; {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusGone:
		return &failure{text: "HTTP status 410: the endpoint wants no more of it", final: true}
	case status >= 300 && status < 400:
		return &failure{text: fmt.Sprintf("HTTP status %d: redirects are not followed", status)}
	default:
		return &failure{text: fmt.Sprintf("HTTP status %d", status), after: retryAfter(response.Header)}
	}
}

// request is an attempt's. Its signature is made anew for each, as endpoints
// refuse old ones.
func (s *Service) request(ctx context.Context, e *endpoint, d *Delivery) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(d.Payload))
	if err != nil {
		return nil, err
	}
	at := s.Now()
	for name, value := range map[string]string{
		"Content-Type":      "application/json",
		"User-Agent":        s.Agent,
		"Webhook-Id":        d.ID,
		"Webhook-Timestamp": strconv.FormatInt(at.Unix(), 10),
		"Webhook-Signature": sign(e.secret, d.ID, at, d.Payload),
	} {
		r.Header.Set(name, value)
	}
	return r, nil
}

// retryAfter reads how many seconds an endpoint asks for.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds), longestWait/time.Second) * time.Second
}

// reason is why an endpoint was not reached, without its URL, whose path may be
// a secret.
func reason(err error) string {
	if errors.Is(err, outbound.ErrForbiddenAddress) {
		return outbound.ErrForbiddenAddress.Error()
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		if u.Timeout() {
			return fmt.Sprintf("no answer within %s", sendTimeout)
		}
		err = u.Err
	}
	text := err.Error()
	return text[:min(len(text), maxErrorText)]
}
