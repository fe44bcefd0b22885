package api

import (
	"net/http"

	"understudy/api/wire"
)

// index tells a person or a probe what this is.
func (s *server) index(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, map[string]string{
		"name": "understudy", "version": s.Version, "api": "/v1",
		"docs": "The OpenAI Assistants API, served by Understudy: point your SDK's base_url at /v1.",
	})
}

func (s *server) healthz(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// readyz is the store's and the engine's word on whether requests can be served.
func (s *server) readyz(w http.ResponseWriter, r *http.Request) error {
	if err := s.Ready(r.Context()); err != nil {
		note(r.Context()).err = err
		return &wire.Error{Kind: wire.Unavailable, Message: "Not ready: the store or the engine is not up; the log says why."}
	}
	return writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
}
