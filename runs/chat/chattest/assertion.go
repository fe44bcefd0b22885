package chattest

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Assertion is something that holds for the value at Path.
type Assertion struct {
	Path        string // like messages.-1.content
	Absent      bool
	Exists      bool // and is not null
	Equals      any
	Matches     string
	SameAs      string `json:"same_as"`
	DiffersFrom string `json:"differs_from"`
}

// Holds checks the body of a request against assertions.
func Holds(t testing.TB, body any, assertions []Assertion) {
	t.Helper()
	for _, a := range assertions {
		value, found := At(body, a.Path)
		require.Equal(t, !a.Absent, found, a.Path)
		if a.Exists {
			require.NotNil(t, value, a.Path)
		}
		if a.Equals != nil {
			require.Equal(t, a.Equals, value, a.Path)
		}
		if a.Matches != "" {
			require.Regexp(t, a.Matches, value, a.Path)
		}
		if a.SameAs != "" {
			other, _ := At(body, a.SameAs)
			require.Equal(t, other, value, a.Path)
		}
		if a.DiffersFrom != "" {
			other, _ := At(body, a.DiffersFrom)
			require.NotEqual(t, other, value, a.Path)
		}
	}
}

// At walks a path like messages.-1.content.
func At(body any, path string) (any, bool) {
	for key := range strings.SplitSeq(path, ".") {
		switch v := body.(type) {
		case map[string]any:
			var ok bool
			if body, ok = v[key]; !ok {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil {
				return nil, false
			}
			if i < 0 {
				i += len(v)
			}
			if i < 0 || i >= len(v) {
				return nil, false
			}
			body = v[i]
		default:
			return nil, false
		}
	}
	return body, true
}
