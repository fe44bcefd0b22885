package api

import "understudy/threads"

// The headers that say what a run or a message is to wait for, and how long a run
// may take.
const (
	onBusyHeader    = "Understudy-On-Busy"
	expiresInHeader = "Understudy-Expires-In"
)

// onBusy reads what is to become of the call when a run is active on its thread.
func (c *call) onBusy() (threads.OnBusy, error) {
	return threads.ReadOnBusy(onBusyHeader, c.r.Header.Get(onBusyHeader))
}
