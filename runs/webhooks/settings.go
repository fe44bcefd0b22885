package webhooks

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"understudy/runs"
	"understudy/runs/outbound"
)

// Statuses are those that can be told of, in the order of a run's life.
func Statuses() []runs.Status {
	return []runs.Status{
		runs.Queued, runs.InProgress, runs.RequiresAction, runs.Cancelling,
		runs.Completed, runs.Incomplete, runs.Failed, runs.Cancelled, runs.Expired,
	}
}

// settings are a configuration made ready for use.
type settings struct {
	endpoints []*endpoint
	run       *endpoint // for what runs name; nil = they may name nothing
	hosts     *hosts
	guarded   *http.Client
}

// endpoint is who is told, and how.
type endpoint struct {
	key      string // names a configured endpoint in the store, which shall not know its URL
	url      string
	origin   string
	project  string
	secret   []byte
	events   map[runs.Status]bool
	attempts int
}

func compile(c Config) (*settings, error) {
	s := &settings{}
	for _, e := range c.Endpoints {
		u, err := parseEndpoint(e.URL)
		if err != nil {
			return nil, err
		}
		compiled, err := newEndpoint(e.Secret, e.Events, e.Attempts)
		if err != nil {
			return nil, err
		}
		compiled.key, compiled.url, compiled.origin, compiled.project = keyOf(e.URL), e.URL, originOf(u), e.Project
		s.endpoints = append(s.endpoints, compiled)
	}
	if c.Runs.Secret == "" {
		return s, nil
	}
	var err error
	if s.run, err = newEndpoint(c.Runs.Secret, c.Runs.Events, c.Runs.Attempts); err != nil {
		return nil, err
	}
	if s.hosts, err = parseHosts(c.Runs.Hosts); err != nil {
		return nil, err
	}
	s.guarded = newClient(s.hosts.dialer.Transport())
	return s, nil
}

func newEndpoint(secret string, events []runs.Status, attempts int) (*endpoint, error) {
	key, err := parseSecret(secret)
	if err != nil {
		return nil, err
	}
	e := &endpoint{secret: key, events: map[runs.Status]bool{}, attempts: attempts}
	if attempts <= 0 || attempts > MaxAttempts {
		e.attempts = MaxAttempts
	}
	for _, status := range Statuses() {
		e.events[status] = slices.Contains(events, status) || len(events) == 0 && status.Settled()
	}
	return e, nil
}

// keyOf is the name of a configured endpoint. No URL begins like it.
func keyOf(address string) string {
	sum := sha256.Sum256([]byte(address))
	return configured + hex.EncodeToString(sum[:8])
}

const configured = "configured:"

// of reports whether the endpoint is told of a project's runs.
func (e *endpoint) of(project string) bool { return e.project == "" || e.project == project }

// receiver finds who a delivery is for, as it is configured now.
func (s *settings) receiver(d *Delivery) (*endpoint, error) {
	if d.configured() {
		for _, e := range s.endpoints {
			if e.key == d.Endpoint && e.of(d.Project) {
				return e, nil
			}
		}
		return nil, errNotConfigured
	}
	if s.run == nil {
		return nil, errNotConfigured
	}
	if err := s.checkURL(d.Endpoint); err != nil {
		return nil, errNotAllowed
	}
	e := *s.run
	e.url = d.Endpoint
	return &e, nil
}

var (
	errNotConfigured = errors.New("the endpoint is no longer configured")
	errNotAllowed    = errors.New("the host is no longer allowed")
)

// maxURL bounds the URL of an endpoint, in bytes.
const maxURL = 2048

// CheckEndpoint says what is wrong with the URL of an endpoint. Its error repeats
// nothing of it, as it may hold a secret.
func CheckEndpoint(address string) error {
	_, err := parseEndpoint(address)
	return err
}

func parseEndpoint(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || len(address) > maxURL || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return nil, errors.New("this is not a URL of at most 2048 characters")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("the URL of a webhook begins with https:// or http://")
	case u.Hostname() == "":
		return nil, errors.New("the URL has no host")
	case u.Port() != "" && !isPort(u.Port()):
		return nil, errors.New("the port of the URL is not a number from 1 to 65535")
	case u.User != nil:
		return nil, errors.New("the URL must not hold a name or a password: endpoints know the server by its signature")
	}
	return u, nil
}

func isPort(text string) bool {
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && port > 0
}

func originOf(u *url.URL) string { return strings.ToLower(u.Scheme + "://" + u.Host) }

// hosts are those that runs may name.
type hosts struct {
	public   bool // any on the public internet
	suffixes []string
	dialer   *outbound.GuardedDialer
}

// CheckHosts says what is wrong with a list of hosts that runs may name, and what
// to write instead: names, addresses and ranges, which may lie in private
// networks; *.example.com for all names below one, and * for all, which must be
// on the public internet.
func CheckHosts(list []string) error {
	_, err := parseHosts(list)
	return err
}

func parseHosts(list []string) (*hosts, error) {
	h := &hosts{}
	var named []string
	for _, entry := range list {
		suffix, wild := strings.CutPrefix(entry, "*")
		switch {
		case !wild:
			named = append(named, entry)
		case suffix == "":
			h.public = true
		case len(suffix) > 1 && suffix[0] == '.' && !strings.ContainsAny(suffix, "*/:@[] \t"):
			h.suffixes = append(h.suffixes, strings.ToLower(suffix))
		default:
			return nil, fmt.Errorf("%q is neither a host nor a range of addresses: write something like hooks.example.com, *.example.com or 10.1.0.0/16", entry)
		}
	}
	var err error
	h.dialer, err = outbound.NewGuardedDialer(named)
	return h, err
}

// allow reports whether a run may name the host.
func (h *hosts) allow(host string) bool {
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	below := slices.ContainsFunc(h.suffixes, func(suffix string) bool { return strings.HasSuffix(name, suffix) })
	return h.dialer.Allows(host) || (h.public || below) && h.dialer.Permits(host)
}
