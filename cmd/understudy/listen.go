package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// listen checks the listening address, and that nobody opens the server to
// other machines without having said who may use it.
func (s setting) listen(auth setting) (string, error) {
	if s.where == "" {
		return defaultListen, nil
	}
	host, port, err := net.SplitHostPort(s.value)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil {
		return "", &problem{where: s.where, text: fmt.Sprintf("%q is not an address to listen on; write %s instead", s.value, suggestListen(s.value))}
	}
	if strings.ContainsAny(host, "/ ") {
		return "", &problem{where: s.where, text: fmt.Sprintf("%q is not an address to listen on; write %s instead", s.value, net.JoinHostPort("127.0.0.1", strconv.FormatUint(number, 10)))}
	}
	if auth.where == "" && !isLoopback(host) {
		return "", &problem{where: s.where, text: fmt.Sprintf(
			"%s can be reached from other machines, and nothing says who may use it; write auth: keys (--auth keys) and make a key with \"understudy keys create\", or write auth: none (--auth none) to let everyone in, instead", s.value)}
	}
	return net.JoinHostPort(host, strconv.FormatUint(number, 10)), nil
}

// suggestListen guesses what a malformed address was meant to be.
func suggestListen(written string) string {
	written = strings.TrimPrefix(strings.TrimPrefix(written, "http://"), "https://")
	written = strings.TrimSuffix(written, "/")
	if _, err := strconv.ParseUint(written, 10, 16); err == nil {
		return "127.0.0.1:" + written
	}
	if host, port, err := net.SplitHostPort(written); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err == nil {
			return net.JoinHostPort(host, port)
		}
	}
	if addr, err := netip.ParseAddr(strings.Trim(written, "[]")); err == nil {
		return net.JoinHostPort(addr.String(), "8080")
	}
	return defaultListen
}

// isLoopback reports whether only this machine reaches the host. Names other
// than localhost are taken to be public: what they resolve to may change.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// network is what finding our own address needs to know of the machine.
type network struct {
	lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	own    func() ([]netip.Addr, error) // addresses of the interfaces
}

// machine is the network of the machine we run on.
var machine = network{
	lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	},
	own: func() ([]netip.Addr, error) {
		list, err := net.InterfaceAddrs()
		var addrs []netip.Addr
		for _, a := range list {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil {
				addrs = append(addrs, prefix.Addr())
			}
		}
		return addrs, err
	},
}

// refuseOwnAddress returns an error when an upstream is the server itself,
// which would ask itself for ever. It happens when OPENAI_BASE_URL still points
// where the clients should go. Names that do not resolve are not judged.
func refuseOwnAddress(ctx context.Context, c Config, n network) error {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil || port == "0" {
		return err
	}
	var found []error
	for _, u := range c.Upstreams {
		base, err := url.Parse(u.BaseURL)
		if err != nil || portOf(base) != port {
			continue
		}
		if n.same(ctx, host, base.Hostname()) {
			found = append(found, &problem{where: u.Where, text: fmt.Sprintf(
				"the upstream %s at %s is this server itself; write the address of a Chat Completions backend instead", u.Name, publicURL(u.BaseURL))})
		}
	}
	return errors.Join(found...)
}

// portOf is the port a URL leads to; empty for the built-in model.
func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "http":
		return "80"
	case u.Scheme == "https":
		return "443"
	}
	return ""
}

// same reports whether a connection to target arrives at a listener on host.
func (n network) same(ctx context.Context, host, target string) bool {
	listening := n.resolve(ctx, host)
	everywhere := host == "" || slices.ContainsFunc(listening, netip.Addr.IsUnspecified)
	return slices.ContainsFunc(n.resolve(ctx, target), func(addr netip.Addr) bool {
		switch {
		case slices.Contains(listening, addr):
			return true
		case addr.IsUnspecified():
			// Connecting to 0.0.0.0 means this machine.
			return everywhere || slices.ContainsFunc(listening, netip.Addr.IsLoopback)
		case !everywhere:
			return false
		case addr.IsLoopback():
			return true
		}
		own, _ := n.own()
		return slices.Contains(own, addr)
	})
}

// resolve returns the addresses of a host; none when it is unknown. The name
// localhost is known even to a machine without a hosts file.
func (n network) resolve(ctx context.Context, host string) []netip.Addr {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr.Unmap().WithZone("")}
	}
	if host == "" {
		return nil
	}
	addrs, _ := n.lookup(ctx, host)
	for i, addr := range addrs {
		addrs[i] = addr.Unmap().WithZone("")
	}
	if strings.EqualFold(host, "localhost") {
		addrs = append(addrs, netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback())
	}
	return addrs
}
