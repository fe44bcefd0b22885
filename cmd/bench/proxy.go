package main

import (
	"net/http"
	"net/http/httputil"
	"net/url"
)

// newProxy is the least that can stand between a client and its model.
func newProxy(target string) (http.Handler, error) {
	base, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(base) },
		Transport: &http.Transport{MaxIdleConnsPerHost: 4096},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// An answer so fast that the request's end has not been passed on
		// yet would otherwise have that end cut off, and the exchange with it.
		_ = http.NewResponseController(w).EnableFullDuplex() // HTTP/1 can
		proxy.ServeHTTP(w, r)
	}), nil
}
