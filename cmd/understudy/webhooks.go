package main

import (
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"understudy/runs"
	"understudy/runs/webhooks"
)

// Webhook is an endpoint that is told what becomes of runs, or what holds for
// those that runs name.
type Webhook struct {
	URL      Secret   // its path may be one; empty for what runs name
	Secret   Secret   // signs what is sent
	Hosts    []string // that runs may name
	Events   []runs.Status
	Project  string // empty = all
	Attempts int    // 0 = the default

	where *yaml.Node
}

// Webhooks say who is told what becomes of runs.
type Webhooks struct {
	Endpoints []Webhook
	Runs      Webhook // without a secret, runs may name nobody
}

// String names the endpoints without their secrets.
func (w Webhooks) String() string {
	told := make([]string, len(w.Endpoints))
	for i, e := range w.Endpoints {
		told[i] = e.String()
	}
	return fmt.Sprintf("[%s] run_webhooks=%v", strings.Join(told, ", "), w.Runs.Hosts)
}

// GoString keeps %#v as silent about secrets as String.
func (w Webhooks) GoString() string { return w.String() }

// String is the endpoint's scheme and host.
func (w Webhook) String() string {
	u, err := url.Parse(w.URL.Reveal())
	if err != nil {
		return redacted
	}
	return u.Scheme + "://" + u.Host
}

// GoString keeps %#v as silent about secrets as String.
func (w Webhook) GoString() string { return w.String() }

// LogValue implements slog.LogValuer.
func (w Webhook) LogValue() slog.Value { return slog.StringValue(w.String()) }

// reveal is what package webhooks takes.
func (w Webhooks) reveal() webhooks.Config {
	c := webhooks.Config{Runs: webhooks.PerRun{Secret: w.Runs.Secret.Reveal(), Hosts: w.Runs.Hosts, Events: w.Runs.Events, Attempts: w.Runs.Attempts}}
	for _, e := range w.Endpoints {
		c.Endpoints = append(c.Endpoints, webhooks.Endpoint{URL: e.URL.Reveal(), Secret: e.Secret.Reveal(), Events: e.Events, Project: e.Project, Attempts: e.Attempts})
	}
	return c
}

const (
	exampleWebhook = "https://app.example.com/webhooks"
	exampleSigner  = "${WEBHOOK_SECRET}"
)

// readWebhooks takes the endpoints that are always told.
func (c *configFile) readWebhooks(r *reader, n *yaml.Node) {
	for _, item := range r.items(n, "webhooks", "\"- url: "+exampleWebhook+"\" below it") {
		before := len(r.problems)
		w := readWebhook(r, item, "webhooks", func(w *Webhook) fields {
			return fields{
				"url":     func(n *yaml.Node) { w.URL = readWebhookURL(r, n) },
				"project": func(n *yaml.Node) { w.Project, _ = r.text(n, "project", "default") },
			}
		})
		if len(r.problems) > before {
			continue
		}
		if w.URL == "" {
			r.fail(item, "webhooks: an endpoint has no url; write url: %s, or another, instead", exampleWebhook)
			continue
		}
		twice := slices.IndexFunc(c.webhooks.Endpoints, func(e Webhook) bool {
			return e.URL == w.URL && (e.Project == w.Project || e.Project == "" || w.Project == "")
		})
		if twice >= 0 {
			r.fail(item, "webhooks: the url is written already on line %d for the same project; write one entry with the events of both instead", c.webhooks.Endpoints[twice].where.Line)
			continue
		}
		c.webhooks.Endpoints = append(c.webhooks.Endpoints, w)
	}
}

// readRunWebhooks takes what holds for endpoints that runs name.
func (c *configFile) readRunWebhooks(r *reader, n *yaml.Node) {
	c.webhooks.Runs = readWebhook(r, n, "run_webhooks", func(w *Webhook) fields {
		return fields{"hosts": func(n *yaml.Node) { w.Hosts = readWebhookHosts(r, n) }}
	})
	if n.Kind == yaml.MappingNode && len(c.webhooks.Runs.Hosts) == 0 && len(r.problems) == 0 {
		r.fail(n, "run_webhooks: no hosts are written that runs may name; write hosts: [app.example.com], or [\"*\"] for all public ones, instead")
	}
}

// readWebhook takes what both kinds have, and what own says of one of them.
func readWebhook(r *reader, n *yaml.Node, what string, own func(*Webhook) fields) Webhook {
	w := Webhook{where: n}
	known := own(&w)
	var secrets []*yaml.Node
	known["secret"] = func(n *yaml.Node) {
		secrets, w.Secret = append(secrets, n), checkedSecret(r, n, readKey(r, n, "secret", exampleSigner))
	}
	known["secret_file"] = func(n *yaml.Node) {
		secrets, w.Secret = append(secrets, n), checkedSecret(r, n, readKeyFile(r, n, "secret_file", "/run/secrets/webhook"))
	}
	known["events"] = func(n *yaml.Node) { w.Events = readEvents(r, n) }
	known["attempts"] = func(n *yaml.Node) { w.Attempts = readAttempts(r, n) }
	r.mapping(n, what, what+": {secret: \""+exampleSigner+"\"}", known)
	switch {
	case n.Kind != yaml.MappingNode:
	case len(secrets) == 0:
		r.fail(n, "%s: there is no secret to sign with; write secret: %s, or secret_file, instead", what, exampleSigner)
	case len(secrets) > 1:
		r.fail(secrets[1], "secret and secret_file are both there; write one of them instead")
	}
	return w
}

// checkedSecret keeps a secret that can sign; one that is empty was reported.
func checkedSecret(r *reader, n *yaml.Node, secret Secret) Secret {
	if err := webhooks.CheckSecret(secret.Reveal()); secret != "" && err != nil {
		r.fail(n, "secret: %v", err)
		return ""
	}
	return secret
}

func readWebhookURL(r *reader, n *yaml.Node) Secret {
	address, ok := r.text(n, "url", exampleWebhook)
	if !ok {
		return ""
	}
	if err := webhooks.CheckEndpoint(address); err != nil {
		r.fail(n, "url: %v; write something like %s instead", err, exampleWebhook)
		return ""
	}
	return Secret(address)
}

func readWebhookHosts(r *reader, n *yaml.Node) (hosts []string) {
	for _, item := range r.items(n, "hosts", "hosts: [app.example.com]") {
		host, ok := r.text(item, "hosts", "app.example.com")
		if !ok {
			continue
		}
		if webhooks.CheckHosts([]string{host}) != nil {
			r.fail(item, "hosts: %q is neither a host nor a range of addresses; write app.example.com, \"*.example.com\", 10.1.0.0/16 or \"*\" instead", item.Value)
			continue
		}
		hosts = append(hosts, host)
	}
	return hosts
}

func readEvents(r *reader, n *yaml.Node) (events []runs.Status) {
	var names []string
	for _, status := range webhooks.Statuses() {
		names = append(names, string(status))
	}
	for _, item := range r.items(n, "events", "events: [requires_action, completed, failed]") {
		name, ok := r.text(item, "events", "completed")
		switch {
		case !ok:
		case slices.Contains(names, name):
			events = append(events, runs.Status(name))
		case nearest(name, names) != "":
			r.fail(item, "events: a run has no state %q; write %s instead", item.Value, nearest(name, names))
		default:
			r.fail(item, "events: a run has no state %q; write %s instead", item.Value, either(names))
		}
	}
	return events
}

func readAttempts(r *reader, n *yaml.Node) int {
	attempts, ok := r.integer(n, "attempts", 1, webhooks.MaxAttempts)
	if ok && attempts > webhooks.MaxAttempts {
		r.fail(n, "attempts: %d are more than the %d that take three days; write attempts: %d instead", attempts, webhooks.MaxAttempts, webhooks.MaxAttempts)
	}
	return attempts
}
