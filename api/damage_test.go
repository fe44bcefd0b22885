package api_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/store"
)

// damage overwrites the middle of what is stored of an object, as a lost page does.
func (s *testServer) damage(table, id string) {
	s.t.Helper()
	require.NoError(s.t, s.db.Write(s.t.Context(), func(_ context.Context, tx *store.Tx) error {
		_, err := tx.Exec("UPDATE "+table+" SET body = CAST(substr(body, 1, 20) AS BLOB) || zeroblob(40) || CAST(substr(body, 60) AS BLOB) WHERE id = $1", id)
		return err
	}))
}

// An object that is no JSON any more is never shown, and turns readiness off as any other damage does.
func TestDamagedObjects(t *testing.T) {
	for name, c := range map[string]struct {
		path    string
		headers []string
	}{
		"object":              {"/v1/threads/{thread}/messages/{message}", nil},
		"list":                {"/v1/threads/{thread}/messages", nil},
		"object of version 1": {"/v1/threads/{thread}/messages/{message}", []string{"OpenAI-Beta", "assistants=v1"}},
		"list of version 1":   {"/v1/threads/{thread}/messages", []string{"OpenAI-Beta", "assistants=v1"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, settings{})
			thread := s.call("POST", "/v1/threads", `{}`).text("id")
			message := s.call("POST", "/v1/threads/"+thread+"/messages", `{"role":"user","content":"x"}`).text("id")
			s.damage("messages", message)
			require.Equal(t, http.StatusOK, s.call("GET", "/readyz", "").status)
			got := s.with(c.headers...).call("GET", strings.NewReplacer("{thread}", thread, "{message}", message).Replace(c.path), "")
			require.Equal(t, http.StatusServiceUnavailable, got.status, "%s", got.body)
			require.Equal(t, "true", got.header.Get("X-Should-Retry"))
			require.Equal(t, "server_error", got.text("error.type"))
			require.Equal(t, http.StatusServiceUnavailable, s.call("GET", "/readyz", "").status)
		})
	}
}
