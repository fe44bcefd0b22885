package api

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"understudy/api/wire"
)

// guard keeps web pages from driving a local server and spending its owner's
// key: without keys only loopback names are answered, as Host and as Origin.
// It also answers the browsers' preflight questions.
func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		if s.Keys == nil && !s.AnyHost {
			if !isLoopbackHost(r.Host) {
				s.fail(w, r, forbidden("Host", r.Host))
				return
			}
			if origin != "" && !s.allowsOrigin(origin) {
				s.fail(w, r, forbidden("Origin", origin))
				return
			}
		}
		if origin != "" && s.allowsOrigin(origin) {
			allowOrigin(w.Header(), r, origin)
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func forbidden(header, value string) *wire.Error {
	return &wire.Error{
		Kind: wire.Forbidden,
		Message: "This server has no API keys, so it answers loopback addresses only, and the request's " + header + " is '" + value +
			"'. Call it as http://127.0.0.1, list the origin under cors_origins, or turn on keys with --auth keys.",
	}
}

func (s *server) allowsOrigin(origin string) bool {
	listed := s.changing.Load().corsOrigins
	if s.Keys != nil || s.AnyHost || slices.Contains(listed, origin) || slices.Contains(listed, "*") {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && isLoopbackHost(u.Host)
}

func allowOrigin(h http.Header, r *http.Request, origin string) {
	h.Set("Access-Control-Allow-Origin", origin)
	h.Add("Vary", "Origin")
	h.Set("Access-Control-Expose-Headers", "X-Request-Id, Openai-Processing-Ms, Openai-Version, Openai-Poll-After-Ms, Retry-After, Retry-After-Ms, X-Should-Retry, "+
		"X-Ratelimit-Limit-Requests, X-Ratelimit-Remaining-Requests, X-Ratelimit-Reset-Requests")
	if r.Method == http.MethodOptions {
		h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS")
		h.Set("Access-Control-Max-Age", "86400")
		if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
			h.Set("Access-Control-Allow-Headers", asked)
		}
	}
}

// isLoopbackHost reports whether a Host header or an origin's host names this
// machine.
func isLoopbackHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	if strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
