//go:build !race

package api_test

// raceEnabled says that the race detector, which multiplies memory, is at work.
const raceEnabled = false
