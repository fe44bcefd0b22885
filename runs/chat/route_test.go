package chat

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRoute(t *testing.T) {
	two := []Upstream{{Name: "openai"}, {Name: "local", BaseURL: "http://localhost:1/v1", ContextWindow: 8000}}
	mappings := []Mapping{
		{"exact", "local/llama"},
		{"gpt-4*", "openai/gpt-5-mini|local/qwen/qwen3"},
		{"*-fast-*", "local/*"},
		{"gpt-4o", "local/never"},
	}
	for model, want := range map[string]string{
		"exact":             "local/llama",
		"gpt-4":             "openai/gpt-5-mini local/qwen/qwen3",
		"gpt-4o":            "openai/gpt-5-mini local/qwen/qwen3",
		"a-fast-b":          "local/a-fast-b",
		"-fast-":            "local/-fast-",
		"fast":              "openai/fast",
		"local/x/y":         "local/x/y",
		"meta/llama":        "openai/meta/llama",
		"local/":            "openai/local/",
		"unknown":           "openai/unknown",
		"x-fast":            "openai/x-fast",
		"fast-fast-fast-ab": "local/fast-fast-fast-ab",
	} {
		c, err := New(Config{Upstreams: two, Models: mappings})
		require.NoError(t, err)
		targets, err := c.Route(model)
		require.NoError(t, err)
		got := ""
		for i, target := range targets {
			if i > 0 {
				got += " "
			}
			got += target.String()
		}
		require.Equal(t, want, got, model)
	}
}

func TestRouteStrict(t *testing.T) {
	c, err := New(Config{Upstreams: []Upstream{{Name: "up"}}, Models: []Mapping{{"a", "up/b"}}, ModelsStrict: true})
	require.NoError(t, err)
	_, err = c.Route("b")
	require.ErrorContains(t, err, `"b"`)
	require.ErrorContains(t, err, "models:")
	_, err = c.Complete(t.Context(), Request{Model: "b"}, nil)
	var failed *Error
	require.ErrorAs(t, err, &failed)
	_, err = c.Route("up/b")
	require.NoError(t, err, "an upstream that is named is not a guess")
}

func TestModels(t *testing.T) {
	c, err := New(Config{
		Upstreams: []Upstream{{Name: "up", APIKey: "secret", ContextWindow: 9}},
		Models:    []Mapping{{"a", "b"}, {"x*", "up/c"}},
	})
	require.NoError(t, err)
	require.Equal(t, []ListedModel{{Name: "a", Targets: []Target{{"up", "b"}}}}, c.Models())
	require.Equal(t, 9, c.ContextWindow("a"))
	require.Empty(t, c.Upstreams()[0].APIKey)
	require.Equal(t, DefaultBaseURL, c.Upstreams()[0].BaseURL)
}

func TestNewSaysWhatToWrite(t *testing.T) {
	up := []Upstream{{Name: "up"}}
	for name, tc := range map[string]struct {
		config Config
		want   string
	}{
		"no upstream":  {Config{}, "upstreams"},
		"twice":        {Config{Upstreams: []Upstream{{Name: "a"}, {Name: "a"}}}, "own name"},
		"slash":        {Config{Upstreams: []Upstream{{Name: "a/b"}}}, "cannot contain"},
		"no scheme":    {Config{Upstreams: []Upstream{{BaseURL: "localhost:11434"}}}, "http://"},
		"no host":      {Config{Upstreams: []Upstream{{BaseURL: "http:///v1"}}}, "http://"},
		"auth":         {Config{Upstreams: []Upstream{{Auth: "basic"}}}, "bearer, raw, api-key or none"},
		"stream":       {Config{Upstreams: []Upstream{{Stream: "yes"}}}, "auto, always or never"},
		"no target":    {Config{Upstreams: up, Models: []Mapping{{"a", "up/b|"}}}, "up/MODEL"},
		"no pattern":   {Config{Upstreams: up, Models: []Mapping{{"", "up/b"}}}, "name is empty"},
		"whose model?": {Config{Upstreams: []Upstream{{Name: "a"}, {Name: "b"}}, Models: []Mapping{{"x", "c/d"}}}, "a/c/d"},
		"idle":         {Config{Upstreams: []Upstream{{IdleTimeout: -1}}}, "60s"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(tc.config)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestEndpoint(t *testing.T) {
	for base, want := range map[string]string{
		"http://x/v1":                  "http://x/v1/chat/completions",
		"http://x/v1/":                 "http://x/v1/chat/completions",
		"http://x/v1/chat/completions": "http://x/v1/chat/completions",
		"https://x/openai/deployments/d?api-version=v1": "https://x/openai/deployments/d/chat/completions?api-version=v1",
		"http://x": "http://x/chat/completions",
	} {
		u := Upstream{BaseURL: base}
		got, err := u.endpoint("/chat/completions")
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}
