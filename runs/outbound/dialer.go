// Package outbound connects to addresses that strangers name: hosts of images,
// and of webhooks that a run asks for.
package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// GuardedDialer connects to addresses that strangers named. It reaches the
// public internet and what the operator allowed, and nothing else: not this
// machine, its networks, or the metadata service of its cloud. A name is
// resolved once and the connection goes to the address that was checked, so a
// name that changes its mind in between gains nothing.
type GuardedDialer struct {
	// Lookup resolves a name; the system's resolver unless it is replaced.
	Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	// Connect reaches an address that was checked; the network unless it is replaced.
	Connect func(ctx context.Context, network, address string) (net.Conn, error)

	hosts    map[string]bool
	prefixes []netip.Prefix
}

// ErrForbiddenAddress says that an address is not on the public internet and
// was not allowed.
var ErrForbiddenAddress = errors.New("the address is not on the public internet")

const (
	dialEach         = 5 * time.Second // for one of a host's addresses
	handshakeTimeout = 10 * time.Second
)

// NewGuardedDialer allows, beside the public internet, the given host names,
// addresses and CIDR ranges. The error says what to write instead.
func NewGuardedDialer(allow []string) (*GuardedDialer, error) {
	d := &GuardedDialer{
		hosts:   map[string]bool{},
		Lookup:  net.DefaultResolver.LookupNetIP,
		Connect: (&net.Dialer{Timeout: dialEach}).DialContext,
	}
	for _, entry := range allow {
		if addr, err := netip.ParseAddr(entry); err == nil {
			d.prefixes = append(d.prefixes, netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()))
		} else if prefix, err := netip.ParsePrefix(entry); err == nil {
			d.prefixes = append(d.prefixes, prefix)
		} else if entry == "" || strings.ContainsAny(entry, "/:*@[] \t") {
			return nil, fmt.Errorf("%q is neither a host name nor an address nor a range of addresses: write something like images.example.com or 10.1.0.0/16", entry)
		} else {
			d.hosts[bareHost(entry)] = true
		}
	}
	return d, nil
}

// Transport returns a transport that connects through the dialer, never
// through a proxy, which would connect to anything. Each connection serves one
// request, so that every redirect is checked.
func (d *GuardedDialer) Transport() *http.Transport {
	return &http.Transport{
		DialContext:         d.DialContext,
		TLSHandshakeTimeout: handshakeTimeout,
		DisableKeepAlives:   true,
		DisableCompression:  true,
		ForceAttemptHTTP2:   true,
	}
}

// DialContext connects to host:port. The error is ErrForbiddenAddress when the
// host, or one of its addresses, is off limits: a name that points both outside
// and inside is a trap.
func (d *GuardedDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addrs, err := d.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, addr := range addrs {
		var conn net.Conn
		if conn, err = d.Connect(ctx, network, net.JoinHostPort(addr.String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// Permits reports whether a host may be connected to, as far as that can be
// known without its addresses: a name that is a number, or an address, can be
// off limits.
func (d *GuardedDialer) Permits(host string) bool {
	name := bareHost(host)
	addr, err := netip.ParseAddr(name)
	if err == nil {
		return d.permits(addr)
	}
	return !isNumber(name)
}

// Allows reports whether the operator named a host, or a range that it is an
// address of.
func (d *GuardedDialer) Allows(host string) bool {
	name := bareHost(host)
	addr, err := netip.ParseAddr(name)
	return d.hosts[name] || err == nil && d.inRange(addr)
}

// resolve returns the addresses of host, all of which may be connected to.
func (d *GuardedDialer) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	name := bareHost(host)
	if !d.Permits(name) {
		return nil, ErrForbiddenAddress
	}
	if addr, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{addr}, nil
	}
	addrs, err := d.Lookup(ctx, "ip", name)
	if err != nil {
		return nil, err
	}
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: "no address", Name: name, IsNotFound: true}
	}
	for i, addr := range addrs {
		addrs[i] = addr.Unmap() // some resolvers write IPv4 addresses so
		if !d.hosts[name] && !d.permits(addrs[i]) {
			return nil, ErrForbiddenAddress
		}
	}
	return addrs, nil
}

func bareHost(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

// isNumber recognises the other ways to write an IPv4 address, like 2130706433,
// 0x7f.1 or 0177.0.0.1: no host name ends in a number (WHATWG URL, section 3.5).
func isNumber(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// permits tells whether addr may be connected to. The range of an IPv4 address
// counts in whatever form it comes; the mapped form and zones are for the
// inside only.
func (d *GuardedDialer) permits(addr netip.Addr) bool {
	if d.inRange(addr) {
		return true
	}
	if addr.Is4In6() || addr.Zone() != "" {
		return false
	}
	if nat64.Contains(addr) { // how networks without IPv4 reach the IPv4 internet
		whole := addr.As16()
		addr = netip.AddrFrom4([4]byte(whole[12:]))
	}
	if addr.Is6() && !globalUnicast.Contains(addr) {
		return false
	}
	for _, prefix := range special {
		if prefix.Contains(addr) {
			return false
		}
	}
	return true
}

// inRange reports whether the operator allowed addr, or a range around it.
func (d *GuardedDialer) inRange(addr netip.Addr) bool {
	return slices.ContainsFunc(d.prefixes, func(p netip.Prefix) bool { return p.Contains(addr.Unmap()) })
}

var (
	nat64         = netip.MustParsePrefix("64:ff9b::/96")
	globalUnicast = netip.MustParsePrefix("2000::/3")
)

// special are the ranges that are not the public internet (IANA's registries
// of special-purpose addresses). Outside 2000::/3 there is no IPv6 to reach.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),    // carriers' NAT; Alibaba's metadata
	netip.MustParsePrefix("127.0.0.0/8"),      // this machine
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's metadata
	netip.MustParsePrefix("169.254.0.0/16"),   // link-local; the metadata of most clouds
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.0.0.0/24"), // protocols; Oracle's metadata
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"), // 6to4 relays
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("198.18.0.0/15"), // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("224.0.0.0/3"),   // multicast, reserved, broadcast
	netip.MustParsePrefix("2001::/23"),     // protocols; Teredo, which wraps IPv4
	netip.MustParsePrefix("2001:db8::/32"), // documentation
	netip.MustParsePrefix("2002::/16"),     // 6to4, which wraps IPv4
	netip.MustParsePrefix("3fff::/20"),     // documentation
}
