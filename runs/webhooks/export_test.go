package webhooks

import (
	"time"

	"understudy/runs/outbound"
)

// What the tests outside of the package look into.
var (
	Sign        = sign
	ParseSecret = parseSecret
	Wait        = wait
)

// Waits are those between attempts, without what is added to them.
func Waits() []time.Duration { return waits }

// Dialer reaches the endpoints that runs name.
func (s *Service) Dialer() *outbound.GuardedDialer { return s.settings.Load().hosts.dialer }
