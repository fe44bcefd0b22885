package chat

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Target is where a model call goes.
type Target struct {
	Upstream string // configured name
	Model    string // as the upstream is sent it
}

func (t Target) String() string { return t.Upstream + "/" + t.Model }

// route is a Mapping that was read.
type route struct {
	pattern string
	targets []Target
}

// readRoutes reads the mappings against the configured upstreams.
func readRoutes(mappings []Mapping, upstreams []Upstream) ([]route, error) {
	var routes []route
	for _, m := range mappings {
		if strings.TrimSpace(m.Pattern) == "" {
			return nil, errors.New("models: a name is empty: write the model that clients ask for, or *")
		}
		r := route{pattern: m.Pattern}
		for part := range strings.SplitSeq(m.Target, "|") {
			target, err := readTarget(m.Pattern, strings.TrimSpace(part), upstreams)
			if err != nil {
				return nil, err
			}
			r.targets = append(r.targets, target)
		}
		routes = append(routes, r)
	}
	return routes, nil
}

// readTarget reads "upstream/model". Model names contain slashes themselves, so
// a first part that is no upstream belongs to the model as long as it is clear
// which upstream is meant.
func readTarget(pattern, target string, upstreams []Upstream) (Target, error) {
	if target == "" {
		return Target{}, fmt.Errorf("models: %q goes nowhere: write it as %s/MODEL", pattern, upstreams[0].Name)
	}
	if t, ok := addressed(target, upstreams); ok {
		return t, nil
	}
	if len(upstreams) > 1 && strings.Contains(target, "/") {
		name, _, _ := strings.Cut(target, "/")
		return Target{}, fmt.Errorf("models: %q goes to %q, but no upstream is called %q: write for example %s/%s",
			pattern, target, name, upstreams[0].Name, target)
	}
	return Target{Upstream: upstreams[0].Name, Model: target}, nil
}

// addressed splits "upstream/model" when that upstream is configured.
func addressed(model string, upstreams []Upstream) (Target, bool) {
	name, rest, ok := strings.Cut(model, "/")
	if !ok || rest == "" {
		return Target{}, false
	}
	for _, u := range upstreams {
		if u.Name == name {
			return Target{Upstream: name, Model: rest}, true
		}
	}
	return Target{}, false
}

// Route tells where calls for model go, in the order in which they are tried.
// The error says which model has no place and what to configure.
func (c *Client) Route(model string) ([]Target, error) {
	for _, r := range c.routes {
		if matches(r.pattern, model) {
			return named(r.targets, model), nil
		}
	}
	if t, ok := addressed(model, c.config.Upstreams); ok {
		return []Target{t}, nil
	}
	if c.config.ModelsStrict {
		return nil, &Error{Code: ServerError, Message: fmt.Sprintf(
			"The model %q is not known here: no entry of the models: map in the server's configuration matches it.", model)}
	}
	return []Target{{Upstream: c.config.Upstreams[0].Name, Model: model}}, nil
}

// RouteTo is Route for a call that names its upstream, which then gets the model
// as it is. The error is an *UnknownUpstreamError, or Route's.
func (c *Client) RouteTo(upstream, model string) ([]Target, error) {
	if upstream == "" {
		return c.Route(model)
	}
	if !slices.ContainsFunc(c.config.Upstreams, func(u Upstream) bool { return u.Name == upstream }) {
		return nil, &UnknownUpstreamError{Name: upstream, Known: c.names()}
	}
	return []Target{{Upstream: upstream, Model: model}}, nil
}

// named puts the model that was asked for where a target says *.
func named(targets []Target, model string) []Target {
	out := make([]Target, len(targets))
	for i, t := range targets {
		if t.Model == "*" {
			t.Model = model
		}
		out[i] = t
	}
	return out
}

// matches compares model with a pattern in which * stands for any text.
func matches(pattern, model string) bool {
	head, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == model
	}
	model, ok := strings.CutPrefix(model, head)
	if !ok {
		return false
	}
	for {
		middle, next, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(model, rest)
		}
		i := strings.Index(model, middle)
		if i < 0 {
			return false
		}
		model, rest = model[i+len(middle):], next
	}
}

// ListedModel is a model that clients may ask for by name.
type ListedModel struct {
	Name    string
	Targets []Target
}

// Models lists the configured names without wildcards, in the order of the
// configuration.
func (c *Client) Models() []ListedModel {
	var models []ListedModel
	for _, r := range c.routes {
		if !strings.Contains(r.pattern, "*") {
			models = append(models, ListedModel{Name: r.pattern, Targets: named(r.targets, r.pattern)})
		}
	}
	return models
}

// Upstreams lists the configured upstreams with their defaults filled in and
// without their keys and headers.
func (c *Client) Upstreams() []Upstream {
	upstreams := make([]Upstream, len(c.config.Upstreams))
	for i, u := range c.config.Upstreams {
		u.APIKey = ""
		u.Headers = nil
		upstreams[i] = u
	}
	return upstreams
}

// ContextWindow returns how many tokens the upstream that model goes to takes,
// prompt and answer together.
func (c *Client) ContextWindow(model string) int {
	targets, err := c.Route(model)
	if err != nil {
		return DefaultContextWindow
	}
	return c.upstream(targets[0].Upstream).ContextWindow
}

// UpstreamOf names the upstream that is asked first for model, which is chosen
// unless that is empty; "" = there is none.
func (c *Client) UpstreamOf(chosen, model string) string {
	targets, err := c.RouteTo(chosen, model)
	if err != nil {
		return ""
	}
	return targets[0].Upstream
}

// Strict reports whether models that match nothing are refused.
func (c *Client) Strict() bool { return c.config.ModelsStrict }

// Places says how many calls each upstream takes at once.
func (c *Client) Places() map[string]int {
	places := make(map[string]int, len(c.config.Upstreams))
	for _, u := range c.config.Upstreams {
		places[u.Name] = u.MaxConcurrent
	}
	return places
}
