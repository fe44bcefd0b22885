package sdktest

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"testing"
)

// Forward passes requests on to the server at root, over connections of its own,
// and has a look at each answer, unless look is nil.
//
// An answer may be so fast that the end of its request has not been passed on
// yet. To a server that does not claim full duplex the answer is the end of the
// request, which would break off the exchange (net/http, EnableFullDuplex).
func Forward(t *testing.T, root string, look func(*http.Response) error) http.Handler {
	t.Helper()
	target, err := url.Parse(root)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	forward := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:      transport,
		FlushInterval:  -1,
		ModifyResponse: look,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex() // HTTP/1 can
		forward.ServeHTTP(w, r)
	})
}
