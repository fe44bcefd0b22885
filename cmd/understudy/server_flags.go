package main

import (
	"fmt"
	"net/url"
	"strings"
)

// ServerFlags say which server a command talks to.
type ServerFlags struct {
	StoreFlags `embed:""`
	URL        *string `name:"url" placeholder:"URL" help:"Where the server is reached, instead of looking it up in the data directory. [$$UNDERSTUDY_URL]"`
	Key        *string `placeholder:"KEY" help:"API key, for servers with --auth keys; its project's runs are meant. Prefer the environment. [$$UNDERSTUDY_KEY]"`
}

// server returns what finds the address of the server that the flags name, which
// may change as the server starts again, and the API key. There must be one now.
func (f ServerFlags) server(sys System) (find func() (string, error), key string, err error) {
	from := settings{sys.Getenv}
	key = from.pick(f.Key, "key", setting{}).value
	if given := from.pick(f.URL, "url", setting{}); given.where != "" {
		base, err := serverURL(given)
		if err != nil {
			return nil, "", &usageError{err}
		}
		return func() (string, error) { return base, nil }, key, nil
	}
	dir, err := loadDataDir(f.StoreFlags, sys.Getenv)
	if err != nil {
		return nil, "", &usageError{err}
	}
	find = func() (string, error) {
		address, err := addressOf(dir)
		if err == nil && address == "" {
			err = fmt.Errorf("no server is at work on %s", dir)
		}
		return address, err
	}
	if _, err := find(); err != nil {
		return nil, "", fmt.Errorf("%w; start one with understudy serve, or write --data or --url", err)
	}
	return find, key, nil
}

// serverURL is a server's address, with or without the API's /v1.
func serverURL(given setting) (string, error) {
	u, err := url.Parse(given.value)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", &problem{where: given.where, text: "this is not the URL of a server; write something like http://127.0.0.1:8080 instead"}
	}
	return strings.TrimSuffix(strings.TrimRight(u.String(), "/"), "/v1"), nil
}
