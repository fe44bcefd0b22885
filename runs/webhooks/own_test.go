package webhooks_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/runs"
	"understudy/runs/outbound/outboundtest"
	"understudy/runs/webhooks"
)

func perRun(hosts ...string) webhooks.Config {
	return webhooks.Config{Runs: webhooks.PerRun{Secret: secret, Hosts: hosts, Events: webhooks.Statuses()}}
}

// TestSignature has the vector of the Standard Webhooks libraries.
func TestSignature(t *testing.T) {
	key, err := webhooks.ParseSecret(secret)
	require.NoError(t, err)
	at := time.Unix(1614265330, 0)
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
		webhooks.Sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, []byte(`{"test": 2432232314}`)))
	for _, bad := range []string{"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_short", "whsec_" + hidden, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS"} {
		err := webhooks.CheckSecret(bad)
		require.ErrorIs(t, err, webhooks.ErrBadSecret, bad)
		require.NotContains(t, err.Error(), hidden)
	}
}

// TestURLsThatRunsName: only hosts that the operator allowed.
func TestURLsThatRunsName(t *testing.T) {
	named, public := open(t, perRun("app.example.com", "*.hooks.example.com", "10.1.0.0/16", "localhost")), open(t, perRun("*"))
	const unlisted = "is not among those that the server's configuration allows"
	for url, want := range map[string][2]string{ // with the list, with all public hosts
		"https://app.example.com/x?y=z":          {"", ""},
		"http://App.Example.com.:8443":           {"", ""},
		"https://a.hooks.example.com":            {"", ""},
		"https://hooks.example.com":              {unlisted, ""},
		"https://evilhooks.example.com":          {unlisted, ""},
		"https://example.com":                    {unlisted, ""},
		"https://app.example.com.evil.com":       {unlisted, ""},
		"http://10.1.2.3":                        {"", unlisted},
		"http://[::ffff:10.1.2.3]/":              {"", unlisted},
		"http://10.2.0.1":                        {unlisted, unlisted},
		"http://localhost:9000":                  {"", ""}, // where it leads is found when it is called
		"http://127.0.0.1":                       {unlisted, unlisted},
		"http://2130706433":                      {unlisted, unlisted},
		"http://[::1]:80":                        {unlisted, unlisted},
		"http://169.254.169.254/latest":          {unlisted, unlisted},
		"ftp://app.example.com":                  {"begins with https:// or http://", "begins with"},
		"app.example.com":                        {"begins with", "begins with"},
		"https://":                               {"has no host", "has no host"},
		"https://app.example.com:65536":          {"the port of the URL", "the port of the URL"},
		"https://app.example.com:0":              {"the port of the URL", "the port of the URL"},
		"https://me:pass@app.example.com":        {"a name or a password", "a name or a password"},
		"https://app.example.com/\n":             {"not a URL", "not a URL"},
		"https://app.example.com/a b":            {"not a URL", "not a URL"},
		"https://app.example.com/%zz":            {"not a URL", "not a URL"},
		"https://x/" + strings.Repeat("a", 2048): {"not a URL", "not a URL"},
	} {
		for i, w := range []*world{named, public} {
			err := w.service.CheckURL(url)
			if want[i] == "" {
				require.NoError(t, err, url)
				continue
			}
			refusal, ok := err.(*wire.Error) //nolint:errorlint // exactly this
			require.True(t, ok, url)
			require.Contains(t, refusal.Message, want[i], url)
			require.Equal(t, "Understudy-Webhook", refusal.Param)
		}
	}
	require.ErrorContains(t, open(t, all()).service.CheckURL("https://app.example.com"), "has no secret to sign webhooks with")
	for _, bad := range []string{"", "https://a.b", "*a.b", "*.", "*.a*", "*:80", "a b"} {
		require.Error(t, webhooks.CheckHosts([]string{bad}), bad)
	}
}

// receiver is an endpoint on loopback that plays a host of the internet.
func receiver(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// guard has the endpoints that runs name found at a server of the test's.
func (w *world) guard(known outboundtest.Names, address string) *outboundtest.Dialled {
	dialer, to := outboundtest.Guarded(w.T, nil, known, address)
	d := w.service.Dialer()
	d.Lookup, d.Connect = dialer.Lookup, dialer.Connect
	return to
}

// TestOwnEndpoint: the events of a run go where it says, over the network, and
// those of other runs do not.
func TestOwnEndpoint(t *testing.T) {
	w := open(t, perRun("*"))
	came := make(chan string, 10)
	address := receiver(t, func(_ http.ResponseWriter, r *http.Request) {
		came <- r.Host + r.URL.Path + " " + r.Header.Get("Webhook-Id")[:4]
	})
	to := w.guard(outboundtest.Names{"app.example.com": {{"93.184.215.14"}}}, address)
	w.run("run_other", "")
	w.run("run_own", "http://app.example.com/hooks/7")
	require.Equal(t, "app.example.com/hooks/7 evt_", <-came)
	w.moves("run_own", runs.Completed)
	w.moves("run_other", runs.Completed)
	require.Equal(t, "app.example.com/hooks/7 evt_", <-came)
	require.Equal(t, "app.example.com/hooks/7 evt_", <-came)
	w.service.Stop()
	require.Empty(t, came)
	require.Equal(t, []string{"93.184.215.14:80", "93.184.215.14:80", "93.184.215.14:80"}, to.All())
	require.Empty(t, w.waiting())
}

// TestPrivateAddresses: a public name that leads inside is not called, be it by
// a redirect.
func TestPrivateAddresses(t *testing.T) {
	w := open(t, perRun("*"))
	var served atomic.Int64
	address := receiver(t, func(rw http.ResponseWriter, r *http.Request) {
		served.Add(1)
		http.Redirect(rw, r, "http://127.0.0.1/", http.StatusTemporaryRedirect)
	})
	to := w.guard(outboundtest.Names{
		"inside.example.com": {{"10.0.0.7"}}, "metadata.example.com": {{"169.254.169.254"}}, "two-faced.example.com": {{"93.184.215.14", "127.0.0.1"}},
		"redirects.example.com": {{"93.184.215.14"}},
	}, address)
	for i, host := range []string{"inside", "metadata", "two-faced", "redirects"} {
		w.run(fmt.Sprint("run_", i), "http://"+host+".example.com/?token="+hidden)
	}
	w.service.Stop()
	const forbidden = "pending the address is not on the public internet"
	require.Equal(t, map[string]string{
		"run_0 queued": forbidden, "run_1 queued": forbidden, "run_2 queued": forbidden,
		"run_3 queued": "pending HTTP status 307: redirects are not followed",
	}, w.waiting())
	require.Equal(t, []string{"93.184.215.14:80"}, to.All())
	require.Equal(t, int64(1), served.Load())
	require.NotContains(t, w.logs.String(), hidden)
}

// TestNoLongerAllowed: the list of hosts counts when an event is sent, too.
func TestNoLongerAllowed(t *testing.T) {
	w := open(t, perRun("*"))
	w.service.Stop()
	w.run("run_a", "https://app.example.com")
	require.NoError(t, w.db.Close())
	w.config = perRun("other.example.com")
	w.start()
	w.service.Stop()
	require.Equal(t, map[string]string{"run_a queued": "pending the host is no longer allowed"}, w.waiting())
}

// TestLongAnswers: a body without an end does not hold an attempt up.
func TestLongAnswers(t *testing.T) {
	w := open(t, perRun("*"))
	w.guard(outboundtest.Names{"app.example.com": {{"93.184.215.14"}}}, receiver(t, func(rw http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := rw.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	}))
	w.run("run_a", "http://app.example.com")
	w.service.Stop()
	require.Empty(t, w.waiting())
	require.Equal(t, map[string]int{"delivered": 1}, w.seen.counted())
}

// TestUnreachable: why an endpoint was not reached is told without its path.
func TestUnreachable(t *testing.T) {
	w := open(t, perRun("*"))
	w.guard(outboundtest.Names{"app.example.com": {{"93.184.215.14"}}}, "127.0.0.1:1")
	w.run("run_a", "http://app.example.com/"+hidden)
	w.run("run_b", "http://unknown.example.com/"+hidden)
	w.service.Stop()
	waiting := w.waiting()
	require.Contains(t, waiting["run_a queued"], "connection refused")
	require.Contains(t, waiting["run_b queued"], "no such host")
	require.NotContains(t, w.logs.String(), hidden)
}

// TestManySlowHosts: clients that name many hosts which do not answer hold up
// neither the endpoints of the configuration nor, for good, each other.
func TestManySlowHosts(t *testing.T) {
	const hosts, most = 30, 16
	c := perRun("*")
	c.Endpoints = []webhooks.Endpoint{{URL: endpoint, Secret: secret, Events: []runs.Status{runs.Completed}}}
	w := open(t, c)
	came, free := make(chan string, hosts), make(chan struct{})
	address := receiver(t, func(_ http.ResponseWriter, r *http.Request) {
		came <- r.Host
		<-free
	})
	known := outboundtest.Names{}
	for i := range hosts {
		known[fmt.Sprintf("host-%d.example.com", i)] = [][]string{{"93.184.215.14"}}
	}
	w.guard(known, address)
	for i := range hosts {
		w.run(fmt.Sprint("run_", i), fmt.Sprintf("http://host-%d.example.com/", i))
	}
	seen := map[string]int{}
	for range most {
		seen[<-came]++
	}
	w.moves("run_0", runs.Completed)
	require.Equal(t, "run_0", w.next().run.ID, "the configured endpoint is told meanwhile")
	require.Empty(t, came, "no more than that at a time")
	close(free)
	w.service.Stop()
	for len(came) > 0 {
		seen[<-came]++
	}
	require.Len(t, seen, hosts)
	require.Equal(t, 3, seen["host-0.example.com"], "queued, in progress, completed")
	require.Empty(t, w.waiting())
}
