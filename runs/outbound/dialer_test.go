package outbound_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/runs/outbound"
	"understudy/runs/outbound/outboundtest"
)

func TestGuardedDialer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	known := outboundtest.Names{
		"example.com":              {{"93.184.215.14"}},
		"six.example.com":          {{"2606:2800:21f:cb07:6820:80da:af6b:8b2c"}},
		"mapped.example.com":       {{"::ffff:93.184.215.14"}},
		"inside.mapped.example":    {{"::ffff:10.0.0.1"}},
		"nat64.example.com":        {{"64:ff9b::5db8:d70e"}},
		"inside.nat64.example":     {{"64:ff9b::a00:1"}},
		"localhost":                {{"127.0.0.1", "::1"}},
		"images.corp":              {{"10.1.2.3"}},
		"other.corp":               {{"10.1.2.4"}},
		"metadata.google.internal": {{"169.254.169.254"}},
		"two-faced.example":        {{"93.184.215.14", "192.168.0.1"}},
		"nowhere.example":          {{}},
		"7f000001.example":         {{"93.184.215.14"}},
	}
	for _, tc := range []struct{ host, dialled, err string }{
		{"example.com", "93.184.215.14:80", ""},
		{"EXAMPLE.com.", "93.184.215.14:80", ""},
		{"7f000001.example", "93.184.215.14:80", ""},
		{"six.example.com", "[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:80", ""},
		{"mapped.example.com", "93.184.215.14:80", ""},
		{"nat64.example.com", "[64:ff9b::5db8:d70e]:80", ""},
		{"8.8.8.8", "8.8.8.8:80", ""},
		{"2001:4860:4860::8888", "[2001:4860:4860::8888]:80", ""},
		// The operator's own.
		{"images.corp", "10.1.2.3:80", ""},
		{"172.20.0.9", "172.20.0.9:80", ""},
		{"::ffff:172.20.0.9", "[::ffff:172.20.0.9]:80", ""},
		{"fd00:1::7", "[fd00:1::7]:80", ""},
		{"192.168.7.7", "192.168.7.7:80", ""},
		{"192.168.7.8", "", "not on the public internet"},
		{"other.corp", "", "not on the public internet"},
		{"fd00:1::8", "", "not on the public internet"},
		// This machine and its networks.
		{"127.0.0.1", "", "not on the public internet"},
		{"127.9.9.9", "", "not on the public internet"},
		{"localhost", "", "not on the public internet"},
		{"0.0.0.0", "", "not on the public internet"},
		{"::", "", "not on the public internet"},
		{"::1", "", "not on the public internet"},
		{"10.0.0.1", "", "not on the public internet"},
		{"172.16.0.1", "", "not on the public internet"},
		{"192.168.0.1", "", "not on the public internet"},
		{"169.254.1.1", "", "not on the public internet"},
		{"fe80::1", "", "not on the public internet"},
		{"fe80::1%eth0", "", "not on the public internet"},
		{"fc00::1", "", "not on the public internet"},
		{"100.64.0.1", "", "not on the public internet"},
		{"224.0.0.1", "", "not on the public internet"},
		{"ff02::1", "", "not on the public internet"},
		{"255.255.255.255", "", "not on the public internet"},
		{"240.0.0.1", "", "not on the public internet"},
		// Metadata services.
		{"169.254.169.254", "", "not on the public internet"},
		{"metadata.google.internal", "", "not on the public internet"},
		{"fd00:ec2::254", "", "not on the public internet"},
		{"100.100.100.200", "", "not on the public internet"},
		{"168.63.129.16", "", "not on the public internet"},
		{"192.0.0.192", "", "not on the public internet"},
		// IPv4 in disguise.
		{"::ffff:127.0.0.1", "", "not on the public internet"},
		{"::ffff:8.8.8.8", "", "not on the public internet"},
		{"::ffff:a9fe:a9fe", "", "not on the public internet"},
		{"::127.0.0.1", "", "not on the public internet"},
		{"inside.mapped.example", "", "not on the public internet"},
		{"64:ff9b::7f00:1", "", "not on the public internet"},
		{"inside.nat64.example", "", "not on the public internet"},
		{"64:ff9b:1::7f00:1", "", "not on the public internet"},
		{"2002:7f00:1::", "", "not on the public internet"},
		{"2001:0:7f00:1::", "", "not on the public internet"},
		{"2130706433", "", "not on the public internet"},
		{"0x7f000001", "", "not on the public internet"},
		{"0X7F.1", "", "not on the public internet"},
		{"0177.0.0.1", "", "not on the public internet"},
		{"127.1", "", "not on the public internet"},
		{"127.0.0.1.", "", "not on the public internet"},
		{"example.0x7f", "", "not on the public internet"},
		// Names.
		{"two-faced.example", "", "not on the public internet"},
		{"unknown.example", "", "no such host"},
		{"nowhere.example", "", "no address"},
	} {
		t.Run(tc.host, func(t *testing.T) {
			d, to := outboundtest.Guarded(t, []string{"Images.corp", "172.20.0.0/16", "fd00:1::7", "::ffff:192.168.7.7"}, known, listener.Addr().String())
			conn, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort(tc.host, "80"))
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				require.Empty(t, to.All())
				return
			}
			require.NoError(t, err)
			conn.Close()
			require.Equal(t, []string{tc.dialled}, to.All())
		})
	}
}

func TestGuardedDialerTriesAllAddresses(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	d, to := outboundtest.Guarded(t, nil, outboundtest.Names{"example.com": {{"2606:2800::1", "93.184.215.14"}}}, listener.Addr().String())
	reach := d.Connect
	d.Connect = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == "[2606:2800::1]:443" {
			return nil, &net.OpError{Op: "dial", Err: net.ErrClosed}
		}
		return reach(ctx, network, address)
	}
	conn, err := d.DialContext(t.Context(), "tcp", "example.com:443")
	require.NoError(t, err)
	conn.Close()
	require.Equal(t, []string{"93.184.215.14:443"}, to.All())
}

func TestAllowedHostsAreChecked(t *testing.T) {
	for _, entry := range []string{"", "https://a.b", "a.b:80", "*.corp", "10.0.0.0/64", "[::1]", "a b"} {
		_, err := outbound.NewGuardedDialer([]string{entry})
		require.ErrorContains(t, err, "write something like", entry)
	}
}

// TestWhatIsKnownBeforeLookup: addresses, and hosts by their name.
func TestWhatIsKnownBeforeLookup(t *testing.T) {
	d, err := outbound.NewGuardedDialer([]string{"hooks.corp", "10.1.0.0/16"})
	require.NoError(t, err)
	for host, want := range map[string][2]bool{ // permitted, allowed
		"hooks.corp": {true, true}, "Hooks.Corp.": {true, true}, "10.1.2.3": {true, true}, "::ffff:10.1.2.3": {true, true},
		"example.com": {true, false}, "93.184.215.14": {true, false}, "10.2.0.1": {false, false}, "127.1": {false, false}, "::1": {false, false},
	} {
		require.Equal(t, want, [2]bool{d.Permits(host), d.Allows(host)}, host)
	}
}
