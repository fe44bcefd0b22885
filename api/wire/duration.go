package wire

import (
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads a length of time in days (30d), or as Go writes it (36h).
func ParseDuration(text string) (time.Duration, error) {
	days, inDays := strings.CutSuffix(text, "d")
	if !inDays {
		return time.ParseDuration(text)
	}
	n, err := strconv.ParseUint(days, 10, 16) // more would not fit
	return time.Duration(n) * 24 * time.Hour, err
}
