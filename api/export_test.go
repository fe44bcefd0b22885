package api

import (
	"fmt"
	"net/http"

	"github.com/gorilla/mux"
)

// Route is one route as the router knows it, for tests that must not forget one.
type Route struct{ Method, Path string }

// Routes walks the router: what a request can reach, with each verb.
func Routes() ([]Route, error) {
	var routes []Route
	router := (&server{}).routes().(*mux.Router)
	err := router.Walk(func(r *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := r.GetPathTemplate()
		if err != nil {
			return err
		}
		methods, err := r.GetMethods()
		if err != nil { // a prefix, or the route that answers a wrong verb
			return nil //nolint:nilerr // the router's way to say that there are none
		}
		for _, method := range methods {
			routes = append(routes, Route{method, path})
		}
		return nil
	})
	return routes, err
}

// Matching says which route a request reaches and with which variables: as the
// whole router finds it, and as the bare expressions of all routes do.
func Matching() (found, expected func(*http.Request) string, err error) {
	router := (&server{}).routes().(*mux.Router)
	plain := mux.NewRouter().UseEncodedPath().SkipClean(true)
	err = router.Walk(func(r *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := r.GetPathTemplate()
		route := plain.Path(path)
		if methods, none := r.GetMethods(); none == nil {
			route.Methods(methods...)
		}
		return err
	})
	return func(r *http.Request) string { return reached(router, r) }, func(r *http.Request) string { return reached(plain, r) }, err
}

func reached(router *mux.Router, r *http.Request) string {
	var match mux.RouteMatch
	if !router.Match(r, &match) || match.Route == nil {
		return "none"
	}
	path, _ := match.Route.GetPathTemplate()
	methods, _ := match.Route.GetMethods()
	return fmt.Sprint(path, methods, match.Vars)
}

// MaxBody is the largest JSON body, in bytes.
const MaxBody = maxBody

// KeepAlive is how long a stream is silent at most.
const KeepAlive = keepAlive

// StreamPatience is how long a stream's reader may take nothing.
const StreamPatience = readerPatience

// Remembered is how many calls that were answered once only this process knows of.
func (h *Handler) Remembered() int {
	h.server.attempts.mu.Lock()
	defer h.server.attempts.mu.Unlock()
	return len(h.server.attempts.byScope)
}
