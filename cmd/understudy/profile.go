//go:build profile

package main

import (
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"time"
)

// A server that was built with the tag profile, which releases are not, answers
// net/http/pprof on the Unix socket that PROFILE_SOCKET names. `make profile`
// builds one.
func init() {
	path := os.Getenv("PROFILE_SOCKET")
	if path == "" {
		return
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/cpu", pprof.Profile)
	mux.Handle("/heap", pprof.Handler("heap"))
	mux.Handle("/allocs", pprof.Handler("allocs"))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { panic(server.Serve(listener)) }()
}
