package chat

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestListModelsMergesMapAndUpstreams(t *testing.T) {
	var asked atomic.Int32
	serve := func(status int, body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			assert.Equal(t, "/v1/models", r.URL.Path)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}))
		t.Cleanup(s.Close)
		return s.URL + "/v1"
	}
	c, err := New(Config{
		Upstreams: []Upstream{
			{Name: "one", BaseURL: serve(200, `{"object":"list","data":[{"id":"a"},{"id":"b"},{"id":""}]}`)},
			{Name: "two", BaseURL: serve(200, `{"data":[{"id":"a"}]}`)},
			{Name: "down", BaseURL: serve(500, `<html>`)},
		},
		Models: []Mapping{{Pattern: "gpt-4o", Target: "one/a"}, {Pattern: "b", Target: "one/b"}, {Pattern: "*", Target: "one/a"}},
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	want := []string{"gpt-4o", "b", "a", "two/a"}
	require.Equal(t, want, c.ListModels(t.Context()))
	require.Equal(t, want, c.ListModels(t.Context()))
	require.EqualValues(t, 3, asked.Load(), "the second list comes from memory")
}
