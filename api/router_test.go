package api_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/api"
)

// TestEveryRequestFindsItsRoute: what is asked before a route's expression lets
// nothing through that the expression refuses, and refuses nothing else.
func TestEveryRequestFindsItsRoute(t *testing.T) {
	routes, err := api.Routes()
	require.NoError(t, err)
	found, expected, err := api.Matching()
	require.NoError(t, err)
	paths := map[string]bool{
		"/": true, "//": true, "/v1": true, "/v1/": true, "/v2/threads": true, "/openai": true, "/v1/models/far/model": true,
		"/v1/thre%61ds": true, "/v1/threads/a%2Fb": true, "/v1/threads/a%20b/runs": true, "/v1//threads": true,
	}
	for _, r := range routes {
		if !strings.HasPrefix(r.Path, "/openai/v1") { // the same again
			path := strings.NewReplacer("{", "the-", "}", "", ":.+", "").Replace(r.Path)
			paths[path], paths[path+"/"], paths[path+"/more"], paths[path[1:]] = true, true, true, true
		}
	}
	for path := range paths {
		for _, method := range []string{"GET", "HEAD", "POST", "DELETE", "PUT"} {
			request := httptest.NewRequest(method, "/", nil)
			request.URL, err = request.URL.Parse("http://127.0.0.1/" + strings.TrimPrefix(path, "/"))
			require.NoError(t, err)
			require.Equal(t, expected(request), found(request), "%s %s", method, path)
		}
	}
}
