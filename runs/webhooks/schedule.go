package webhooks

import (
	"math/rand/v2"
	"time"
)

// waits are those between the attempts of a delivery, as Standard Webhooks
// recommends them: together a little more than three days.
var waits = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// MaxAttempts is how often a delivery is tried at most, and unless it is
// configured otherwise.
const MaxAttempts = 10

// longestWait bounds what an endpoint can ask for with Retry-After.
const longestWait = 24 * time.Hour

// wait is how long the next attempt waits behind the one that ended last, which
// asked for a time (0 = it did not). Up to a tenth is added, so that what
// failed together does not come back together.
func wait(attempts int, asked time.Duration) time.Duration {
	planned := max(waits[min(attempts, len(waits))-1], min(asked, longestWait))
	return planned + rand.N(planned/10) //nolint:gosec // it spreads the load and hides nothing
}
