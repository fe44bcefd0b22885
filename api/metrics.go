package api

import (
	"crypto/subtle"
	"net/http"

	"understudy/api/wire"
)

const metricsPath = "/metrics"

// metrics shows what telemetry has counted. That spans all projects, so no key
// of a project opens it.
func (s *server) metrics(w http.ResponseWriter, r *http.Request) error {
	if err := s.mayReadMetrics(r); err != nil {
		return err
	}
	s.Telemetry.Handler().ServeHTTP(w, r)
	return nil
}

func (s *server) mayReadMetrics(r *http.Request) error {
	switch presented := presentedKey(r); {
	case s.MetricsToken == "" && s.Keys == nil:
		return nil
	case s.MetricsToken == "":
		return &wire.Error{
			Kind:    wire.Forbidden,
			Message: "The metrics span all projects, so no API key opens them. Write metrics: {token: ...} into the server's configuration, and send that token as a Bearer token.",
		}
	case subtle.ConstantTimeCompare([]byte(presented), []byte(s.MetricsToken)) != 1:
		return &wire.Error{Kind: wire.Unauthorized, Message: "The metrics want the token of the configuration's metrics: as a Bearer token."}
	}
	return nil
}
