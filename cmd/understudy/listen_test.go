package main

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRefuseOwnAddress(t *testing.T) {
	fake := network{
		lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
			switch host {
			case "box.lan":
				return []netip.Addr{netip.MustParseAddr("192.168.1.5")}, nil
			case "mapped.lan":
				return []netip.Addr{netip.MustParseAddr("::ffff:127.0.0.1")}, nil
			case "elsewhere":
				return []netip.Addr{netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("2001:db8::9")}, nil
			}
			return nil, errors.New("no such host")
		},
		own: func() ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.168.1.5")}, nil
		},
	}
	for _, c := range []struct {
		listen, upstream string
		own              bool
	}{
		{"127.0.0.1:8080", "http://127.0.0.1:8080/v1", true},
		{"127.0.0.1:8080", "http://localhost:8080/v1", true},
		{"127.0.0.1:8080", "http://LOCALHOST:8080/v1", true},
		{"127.0.0.1:8080", "http://mapped.lan:8080", true},
		{"127.0.0.1:8080", "http://0.0.0.0:8080/v1", true},
		{"127.0.0.1:8080", "http://[::1]:8080/v1", false},
		{"127.0.0.1:8080", "http://127.0.0.1:8081/v1", false},
		{"127.0.0.1:8080", "http://127.0.0.2:8080/v1", false},
		{"127.0.0.1:8080", "http://box.lan:8080/v1", false},
		{"localhost:8080", "http://[::1]:8080/v1", true},
		{"localhost:8080", "http://127.0.0.1:8080/v1", true},
		{":8080", "http://127.0.0.1:8080/v1", true},
		{":8080", "http://[::1]:8080/v1", true},
		{":8080", "http://box.lan:8080/v1", true},
		{"0.0.0.0:8080", "http://192.168.1.5:8080", true},
		{"0.0.0.0:8080", "http://0.0.0.0:8080", true},
		{"[::]:8080", "http://[fe80::1%25eth0]:8080", false},
		{":8080", "http://elsewhere:8080/v1", false},
		{":8080", "http://unknown:8080/v1", false},
		{"192.168.1.5:8080", "http://box.lan:8080/v1", true},
		{"192.168.1.5:8080", "http://127.0.0.1:8080/v1", false},
		{"127.0.0.1:80", "http://localhost/v1", true},
		{"127.0.0.1:443", "https://localhost/v1", true},
		{"127.0.0.1:0", "http://localhost:0/v1", false},
		{"127.0.0.1:8080", "builtin://echo", false},
	} {
		t.Run(c.listen+" "+c.upstream, func(t *testing.T) {
			config := Config{Listen: c.listen, Upstreams: []Upstream{
				{Name: "far", BaseURL: "https://api.openai.com/v1"},
				{Name: "u", BaseURL: c.upstream, Where: "OPENAI_BASE_URL"},
			}}
			err := refuseOwnAddress(t.Context(), config, fake)
			if !c.own {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, "OPENAI_BASE_URL: the upstream u at "+c.upstream+" is this server itself; write the address of a Chat Completions backend instead")
		})
	}
}

func TestTheMachineKnowsItself(t *testing.T) {
	c := Config{Listen: ":8080", Upstreams: []Upstream{{Name: "u", BaseURL: "http://localhost:8080", Where: "x"}}}
	require.Error(t, refuseOwnAddress(t.Context(), c, machine))
	own, err := machine.own()
	require.NoError(t, err)
	require.Contains(t, own, netip.MustParseAddr("127.0.0.1"))
}
