// Package outboundtest plays the internet for tests of what goes through a
// guarded dialer: names have the addresses that a test gives them, and every
// connection ends at a server of the test's.
package outboundtest

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/runs/outbound"
)

// Names is a resolver that knows what it is told, and gives the answers of a
// name one after the other.
type Names map[string][][]string

// Lookup resolves a name.
func (n Names) Lookup(_ context.Context, _, host string) ([]netip.Addr, error) {
	answers := n[host]
	if len(answers) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if len(answers) > 1 {
		n[host] = answers[1:]
	}
	var addrs []netip.Addr
	for _, text := range answers[0] {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	return addrs, nil
}

// Dialled lists where connections were meant to go.
type Dialled struct {
	mu   sync.Mutex
	list []string
}

func (d *Dialled) add(address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, address)
}

// All returns the list so far.
func (d *Dialled) All() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.list)
}

// Guarded is a dialer whose connections all end at address.
func Guarded(t testing.TB, allow []string, known Names, address string) (*outbound.GuardedDialer, *Dialled) {
	d, err := outbound.NewGuardedDialer(allow)
	require.NoError(t, err)
	to := &Dialled{}
	d.Lookup = known.Lookup
	d.Connect = func(ctx context.Context, network, asked string) (net.Conn, error) {
		to.add(asked)
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	return d, to
}
