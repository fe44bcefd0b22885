package main

import (
	"net/url"
	"strings"
)

// ServerFlags say which server a command talks to.
type ServerFlags struct {
	URL *string `name:"url" placeholder:"URL" help:"Where the server is reached; default http://127.0.0.1:8080. [$$UNDERSTUDY_URL]"`
	Key *string `placeholder:"KEY" help:"API key, for servers with --auth keys; its project's runs are taken. Prefer the environment. [$$UNDERSTUDY_KEY]"`
}

// connect is the server that the flags name.
func (f ServerFlags) connect(sys System) (*remote, error) {
	from := settings{sys.Getenv}
	given := from.pick(f.URL, "url", setting{})
	if given.where == "" {
		given.value = "http://" + defaultListen
	}
	base, err := serverURL(given)
	if err != nil {
		return nil, &usageError{err}
	}
	return newRemote(base, from.pick(f.Key, "key", setting{}).value), nil
}

// serverURL is a server's address, with or without the API's /v1.
func serverURL(given setting) (string, error) {
	u, err := url.Parse(given.value)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", &problem{where: given.where, text: "this is not the URL of a server; write something like http://127.0.0.1:8080 instead"}
	}
	return strings.TrimSuffix(strings.TrimRight(u.String(), "/"), "/v1"), nil
}
