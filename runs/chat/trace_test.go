package chat_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/runs/chat"
)

const someParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// TestReadTrace takes what the recommendation allows, and nothing else: a header
// that a client makes up must not reach a backend as it is.
func TestReadTrace(t *testing.T) {
	for name, c := range map[string]struct {
		parents, states []string
		want            chat.Trace
	}{
		"none":                 {},
		"plain":                {[]string{someParent}, nil, chat.Trace{Parent: someParent}},
		"with a state":         {[]string{someParent}, []string{"a=1,b=2"}, chat.Trace{Parent: someParent, State: "a=1,b=2"}},
		"a state in two":       {[]string{someParent}, []string{"a=1", "b=2"}, chat.Trace{Parent: someParent, State: "a=1,b=2"}},
		"a state alone":        {nil, []string{"a=1"}, chat.Trace{}},
		"too long a state":     {[]string{someParent}, []string{"a=" + strings.Repeat("x", 2048)}, chat.Trace{Parent: someParent}},
		"two parents":          {[]string{someParent, someParent}, nil, chat.Trace{}},
		"a later version":      {[]string{"01" + someParent[2:] + "-more"}, nil, chat.Trace{Parent: "01" + someParent[2:] + "-more"}},
		"version 0 with more":  {[]string{someParent + "-more"}, nil, chat.Trace{}},
		"no version at all":    {[]string{"ff" + someParent[2:]}, nil, chat.Trace{}},
		"upper case":           {[]string{strings.ToUpper(someParent)}, nil, chat.Trace{}},
		"a trace of zeros":     {[]string{"00-" + strings.Repeat("0", 32) + "-b7ad6b7169203331-01"}, nil, chat.Trace{}},
		"a parent of zeros":    {[]string{"00-0af7651916cd43dd8448eb211c80319c-" + strings.Repeat("0", 16) + "-01"}, nil, chat.Trace{}},
		"short":                {[]string{someParent[:54]}, nil, chat.Trace{}},
		"a later one, endless": {[]string{"01" + someParent[2:] + "-" + strings.Repeat("x", 300)}, nil, chat.Trace{}},
		"something else":       {[]string{"x-ray"}, nil, chat.Trace{}},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			if c.parents != nil {
				h["Traceparent"] = c.parents
			}
			if c.states != nil {
				h["Tracestate"] = c.states
			}
			require.Equal(t, c.want, chat.ReadTrace(h))
		})
	}
}

// TestTraceOfAContext is there until another takes its place.
func TestTraceOfAContext(t *testing.T) {
	ctx := t.Context()
	require.Zero(t, chat.TraceOf(ctx))
	require.Equal(t, ctx, chat.WithTrace(ctx, chat.Trace{}), "none changes nothing")
	outer := chat.WithTrace(ctx, chat.Trace{Parent: someParent, State: "a=1"})
	require.Equal(t, chat.Trace{Parent: someParent, State: "a=1"}, chat.TraceOf(outer))
	require.Equal(t, chat.Trace{Parent: "other"}, chat.TraceOf(chat.WithTrace(outer, chat.Trace{Parent: "other"})))
}
