package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRowIsPrinted(t *testing.T) {
	r := row{name: "two ways", figures: []figure{
		{"fast", atMost(2, ""), "1"},
		{"slow", aim{}, "-"},
		{"strong", atLeast(5, " kg"), "7"},
	}}
	var out bytes.Buffer
	missed := r.print(&out, 7, [][]float64{{1, 3, 2}, {8}, {4, 4.5}})
	require.Equal(t, 1, missed, "what is for information cannot miss")
	require.Equal(t, ""+
		" 7 two ways: fast                                                                  2.00 (1.00..3.00)          <= 2         1          pass\n"+
		"   ... slow                                                                        8.00 (8.00..8.00)          -            -\n"+
		"   ... strong                                                                      4.25 (4.00..4.50)          >= 5 kg      7          FAIL\n",
		out.String())
}

func TestRowsAreWhatTheyShow(t *testing.T) {
	for i, r := range rowsOfSpeed {
		require.NotNil(t, r.measure, "row %d", i+1)
		require.NotEmpty(t, r.figures, "row %d", i+1)
		for _, f := range r.figures {
			require.NotEmpty(t, f.stretch, "row %d %s", i+1, f.name)
		}
	}
}
