package chat

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"
)

// generic is the kind of an upstream of which nothing special is known.
const generic = "generic"

// kinds are the families of backends that Upstream.Kind may name, with the
// hosts that tell them (patterns of path.Match, on the host with or without
// its port) and what is known of them before the first call. Everything that
// is not said here is sent until it is refused; so a kind says what a backend
// would ignore without a word, or what nearly every conversation would meet as
// a refusal.
var kinds = []struct {
	name  string
	hosts []string
	first profile
}{
	// Only OpenAI's own hosts refuse max_tokens; everywhere else the new name
	// may be ignored, which is worse than a refusal.
	{"openai", []string{"api.openai.com"}, profile{maxCompletionTokens: true}},
	{"azure", []string{"*.openai.azure.com"}, profile{maxCompletionTokens: true}},
	// It ignores response_format, so JSON is asked for in words and checked; and
	// gateways to it want tools whenever the history has calls.
	{"anthropic", []string{"api.anthropic.com"}, profile{json: jsonInWords, declareTools: true}},
	// It refuses members by name that it does not know.
	{"gemini", []string{"generativelanguage.googleapis.com"}, profile{plainSchemas: true, noParallel: true}},
	{"mistral", []string{"api.mistral.ai"}, profile{shortIDs: true, assistantAfterTool: true, emptyContent: emptyAsString}},
	{"deepseek", []string{"api.deepseek.com"}, profile{json: jsonObject}},
	{"moonshot", []string{"api.moonshot.*"}, profile{}},
	{"groq", []string{"api.groq.com"}, profile{}},
	{"openrouter", []string{"openrouter.ai"}, profile{}},
	// It ignores tool_choice, so a call is forced in words and checked.
	{"ollama", []string{"*:11434"}, profile{noToolChoice: true}},
	{"vllm", nil, profile{}},
	{"llamacpp", nil, profile{}},
	{generic, nil, profile{}},
}

// Kinds lists what Upstream.Kind may be.
func Kinds() []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.name
	}
	return names
}

// GuessKind tells the kind of an upstream by the host and port of its base
// URL; generic when they say nothing.
func GuessKind(baseURL string) string {
	base, err := url.Parse(baseURL)
	if err != nil {
		return generic
	}
	host, name := strings.ToLower(base.Host), strings.ToLower(base.Hostname())
	for _, k := range kinds {
		for _, pattern := range k.hosts {
			bare, _ := path.Match(pattern, name)
			full, _ := path.Match(pattern, host)
			if bare || full {
				return k.name
			}
		}
	}
	return generic
}

// switches are the names that Upstream.Profile may have, and what each sets.
var switches = map[string]func(p *profile, on bool){
	"stream_options":        func(p *profile, on bool) { p.noStreamOptions = !on },
	"max_completion_tokens": func(p *profile, on bool) { p.maxCompletionTokens = on },
	"parallel_tool_calls":   func(p *profile, on bool) { p.noParallel = !on },
	"strict":                func(p *profile, on bool) { p.noStrict = !on },
	"temperature":           func(p *profile, on bool) { p.noTemperature = !on },
	"top_p":                 func(p *profile, on bool) { p.noTopP = !on },
	"reasoning_effort":      func(p *profile, on bool) { p.noEffort = !on },
	"tool_choice":           func(p *profile, on bool) { p.noToolChoice = !on },
	"json_schema": func(p *profile, on bool) {
		switch {
		case on:
			p.json = jsonAsAsked
		case p.json == jsonAsAsked: // a kind may know of even less
			p.json = jsonObject
		}
	},
	"system_role":          func(p *profile, on bool) { p.noSystem = !on },
	"plain_schemas":        func(p *profile, on bool) { p.plainSchemas = on },
	"merge_roles":          func(p *profile, on bool) { p.mergeRoles = on },
	"assistant_after_tool": func(p *profile, on bool) { p.assistantAfterTool = on },
	"short_ids":            func(p *profile, on bool) { p.shortIDs = on },
	"echo_reasoning":       func(p *profile, on bool) { p.noReasoning = !on },
	"echo_extra":           func(p *profile, on bool) { p.noExtras = !on },
	"think_tags":           func(p *profile, on bool) { p.keepThink = !on },
}

// ProfileNames lists the names that Upstream.Profile may have.
func ProfileNames() []string { return slices.Sorted(maps.Keys(switches)) }

func (u *Upstream) validateProfile() error {
	if names := Kinds(); !slices.Contains(names, u.Kind) {
		return fmt.Errorf("upstream %q: kind is %q: write one of %s", u.Name, u.Kind, strings.Join(names, ", "))
	}
	for _, name := range slices.Sorted(maps.Keys(u.Profile)) {
		if switches[name] == nil {
			return fmt.Errorf("upstream %q: profile has no %q: write one of %s", u.Name, name, strings.Join(ProfileNames(), ", "))
		}
	}
	return nil
}
