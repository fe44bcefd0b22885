package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Bounds of how long a poll is held. A client that names no timeout may have a
// short one.
const (
	maxHold     = 25 * time.Second
	defaultHold = 4 * time.Second
	// pollAfter is what a poll helper sleeps before it asks again, in
	// milliseconds: the asking does the waiting.
	pollAfter = "50"
)

// hold returns how long the client is willing to wait for something to happen,
// 0 when it did not say so. Poll helpers of the SDKs say so without knowing,
// and are answered well before their timeout.
func hold(h http.Header) time.Duration {
	for preference := range strings.SplitSeq(strings.Join(h.Values("Prefer"), ","), ",") {
		if text, ok := strings.CutPrefix(strings.TrimSpace(preference), "wait="); ok {
			if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
				return min(maxHold, time.Duration(seconds)*time.Second)
			}
		}
	}
	if h.Get("X-Stainless-Poll-Helper") != "true" {
		return 0
	}
	for _, name := range []string{"X-Stainless-Read-Timeout", "X-Stainless-Timeout"} {
		if seconds, err := strconv.ParseFloat(h.Get(name), 64); err == nil && seconds > 0 {
			return min(maxHold, time.Duration(min(seconds, 3600)/2*float64(time.Second)))
		}
	}
	return defaultHold
}

// held is hold for the call's client, who is told when to ask again if a poll
// helper asks.
func (c *call) held() time.Duration {
	if c.r.Header.Get("X-Stainless-Poll-Helper") == "true" {
		c.w.Header().Set("Openai-Poll-After-Ms", pollAfter)
	}
	return hold(c.r.Header)
}
