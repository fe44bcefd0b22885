package api

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHold(t *testing.T) {
	for name, c := range map[string]struct {
		headers []string
		want    time.Duration
	}{
		"a plain GET is answered at once":         {nil, 0},
		"a timeout alone asks for nothing":        {[]string{"X-Stainless-Timeout", "600"}, 0},
		"Python names its read timeout":           {[]string{"X-Stainless-Poll-Helper", "true", "X-Stainless-Read-Timeout", "600"}, 25 * time.Second},
		"Node names its timeout":                  {[]string{"X-Stainless-Poll-Helper", "true", "X-Stainless-Timeout", "10"}, 5 * time.Second},
		"a client without a timeout is not tried": {[]string{"X-Stainless-Poll-Helper", "true"}, 4 * time.Second},
		"an odd timeout counts as none":           {[]string{"X-Stainless-Poll-Helper", "true", "X-Stainless-Timeout", "soon"}, 4 * time.Second},
		"a huge timeout is bounded":               {[]string{"X-Stainless-Poll-Helper", "true", "X-Stainless-Timeout", "1e300"}, 25 * time.Second},
		"Prefer wait":                             {[]string{"Prefer", "respond-async, wait=3"}, 3 * time.Second},
		"Prefer wait is bounded":                  {[]string{"Prefer", "wait=3600"}, 25 * time.Second},
		"Prefer wait of nothing":                  {[]string{"Prefer", "wait=0"}, 0},
		"Prefer wait of no number":                {[]string{"Prefer", "wait=x"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			for i := 0; i < len(c.headers); i += 2 {
				h.Set(c.headers[i], c.headers[i+1])
			}
			require.Equal(t, c.want, hold(h))
		})
	}
}
