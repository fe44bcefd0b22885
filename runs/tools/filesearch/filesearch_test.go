package filesearch

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestQuery(t *testing.T) {
	for arguments, want := range map[string]string{
		`{"query":" cake "}`:                     "cake",
		`{"queries":["cake","tea"]}`:             "cake\ntea",
		`{"query":["cake"]}`:                     "cake",
		`{"q":"cake","other":1}`:                 "cake",
		`"cake"`:                                 "cake",
		`["cake","tea"]`:                         "cake\ntea",
		`what cake is there?`:                    "what cake is there?",
		``:                                       "",
		`{}`:                                     "",
		`{"query":""}`:                           "",
		`{"query":7}`:                            "",
		`{"query":"ca`:                           "",
		`{"query":"` + strings.Repeat("x", 9000): "",
		`"` + strings.Repeat("ß", 4000) + `"`:    strings.Repeat("ß", 2048),
	} {
		require.Equal(t, want, Query(arguments), "%.40q", arguments)
	}
}

func TestParametersAreJSON(t *testing.T) {
	require.True(t, json.Valid(Parameters))
}

func TestOutput(t *testing.T) {
	s := &Search{CallID: "call_a"}
	require.Contains(t, s.Output(), "not carried out")
	s.Done = true
	require.Contains(t, s.Output(), "No passage")
	s.Problem = "The files are being prepared."
	require.Equal(t, s.Problem, s.Output())
	s = &Search{Done: true, Passages: []Passage{
		{Source: 4, Number: 0, FileName: "a.txt", Text: "Cake is good."},
		{Source: 4, Number: 1, FileName: "b.pdf", Text: "Tea is better.", Page: 3},
	}}
	require.Contains(t, s.Output(), "\n【4:0†a.txt】\nCake is good.\n\n【4:1†b.pdf】 (page 3)\nTea is better.\n")
	require.Contains(t, s.Output(), "cite it")
}

func TestFit(t *testing.T) {
	passages := []Passage{{Tokens: 800}, {Tokens: 800}, {Tokens: 10}}
	for budget, want := range map[int]int{0: 1, 800 + overhead: 1, 1600 + 2*overhead - 1: 1, 1600 + 2*overhead: 2, 4000: 3} {
		require.Len(t, Fit(passages, budget), want, "%d tokens", budget)
	}
	require.Empty(t, Fit(nil, 4000))
	s := &Search{Arguments: `{"query":"x"}`, Passages: passages}
	require.Greater(t, s.Tokens(), 1610+3*overhead)
}
