package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/runs"
	"understudy/runs/webhooks"
)

// goodSecret signs in tests; hiddenSecret is none, and must not be repeated.
const (
	goodSecret   = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	hiddenSecret = "whsec_hidden"
)

func TestWebhooksConfigured(t *testing.T) {
	const file = `
webhooks:
  - {url: https://app.example.com/hooks/hidden, secret: "${SECRET}"}
  - url: http://10.0.0.7/x
    secret_file: secret.txt
    events: [queued, completed]
    project: default
    attempts: 3
  - {url: http://10.0.0.7/x, secret: "${SECRET}", project: other}
run_webhooks: {secret: "${SECRET}", hosts: [app.example.com, "*"], events: [failed], attempts: 1}
`
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("secret.txt", []byte(goodSecret+"\n"), 0o600))
	require.NoError(t, os.WriteFile("c.yaml", []byte(file), 0o600))
	path := "c.yaml"
	c, err := loadConfig(ServeFlags{StoreFlags: StoreFlags{Config: &path}}, environment{"SECRET": goodSecret}.get)
	require.NoError(t, err)
	require.Equal(t, webhooks.Config{
		Endpoints: []webhooks.Endpoint{
			{URL: "https://app.example.com/hooks/hidden", Secret: goodSecret},
			{URL: "http://10.0.0.7/x", Secret: goodSecret, Events: []runs.Status{runs.Queued, runs.Completed}, Project: "default", Attempts: 3},
			{URL: "http://10.0.0.7/x", Secret: goodSecret, Project: "other"},
		},
		Runs: webhooks.PerRun{Secret: goodSecret, Hosts: []string{"app.example.com", "*"}, Events: []runs.Status{runs.Failed}, Attempts: 1},
	}, c.Webhooks.reveal())
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, shown := range []string{fmt.Sprintf(format, c), fmt.Sprintf(format, c.Webhooks), fmt.Sprintf(format, c.Webhooks.Endpoints), fmt.Sprintf(format, c.Webhooks.Runs)} {
			require.NotContains(t, shown, "hidden")
			require.NotContains(t, shown, goodSecret)
		}
	}
	require.Contains(t, c.String(), "webhooks=[https://app.example.com, http://10.0.0.7, http://10.0.0.7] run_webhooks=[app.example.com *]")
}

func TestWebhookMistakes(t *testing.T) {
	const one = "webhooks:\n- url: https://a.b/x\n  secret: " + goodSecret + "\n  "
	for _, c := range []struct{ content, want string }{
		{"webhooks: {url: https://a.b}", `1: webhooks: expected a list, found a map; write "- url: https://app.example.com/webhooks" below it instead`},
		{"webhooks: [https://a.b]", `1: webhooks: expected a map, found text; write webhooks: {secret: "${WEBHOOK_SECRET}"} instead`},
		{"webhooks: [{url: https://a.b}]", `1: webhooks: there is no secret to sign with; write secret: ${WEBHOOK_SECRET}, or secret_file, instead`},
		{"webhooks: [{secret: " + goodSecret + "}]", `1: webhooks: an endpoint has no url; write url: https://app.example.com/webhooks, or another, instead`},
		{"webhooks: [{url: https://a.b, secret: " + hiddenSecret + "}]", "1: secret: " + webhooks.ErrBadSecret.Error()},
		{"webhooks: [{url: https://a.b, secret: hidden}]", "1: secret: " + webhooks.ErrBadSecret.Error()},
		{one + "secret_file: good.txt", "4: secret: " + webhooks.ErrBadSecret.Error() + "\nc.yaml:4: secret and secret_file are both there; write one of them instead"},
		{"webhooks: [{url: 'ftp://hidden', secret: " + goodSecret + "}]", `1: url: the URL of a webhook begins with https:// or http://; write something like https://app.example.com/webhooks instead`},
		{"webhooks: [{url: 'https://me:hidden@a.b', secret: " + goodSecret + "}]", `1: url: the URL must not hold a name or a password: endpoints know the server by its signature; write something like https://app.example.com/webhooks instead`},
		{one + "events: completed", `4: events: expected a list, found text; write events: [requires_action, completed, failed] instead`},
		{one + "events: [complete]", `4: events: a run has no state "complete"; write completed instead`},
		{one + "events: [x]", `4: events: a run has no state "x"; write queued, in_progress, requires_action, cancelling, completed, incomplete, failed, cancelled or expired instead`},
		{one + "attempts: 0", `4: attempts: "0" is not a whole number from 1 up; write attempts: 10 instead`},
		{one + "attempts: 11", `4: attempts: 11 are more than the 10 that take three days; write attempts: 10 instead`},
		{one + "hosts: [a.b]", `4: webhooks: unknown key "hosts"; write attempts, events, project, secret, secret_file or url instead`},
		{one + "\n- url: https://a.b/x\n  secret: " + goodSecret + "\n  project: default", `5: webhooks: the url is written already on line 2 for the same project; write one entry with the events of both instead`},
		{"run_webhooks: on", `1: run_webhooks: expected a map, found text; write run_webhooks: {secret: "${WEBHOOK_SECRET}"} instead`},
		{"run_webhooks: {hosts: ['*']}", `1: run_webhooks: there is no secret to sign with; write secret: ${WEBHOOK_SECRET}, or secret_file, instead`},
		{"run_webhooks: {secret: " + goodSecret + "}", `1: run_webhooks: no hosts are written that runs may name; write hosts: [app.example.com], or ["*"] for all public ones, instead`},
		{"run_webhooks: {secret: " + goodSecret + ", hosts: ['https://a.b']}", `1: hosts: "https://a.b" is neither a host nor a range of addresses; write app.example.com, "*.example.com", 10.1.0.0/16 or "*" instead`},
		{"run_webhooks: {secret: " + goodSecret + ", hosts: ['*'], url: x}", `1: run_webhooks: unknown key "url"; write attempts, events, hosts, secret or secret_file instead`},
	} {
		t.Run(c.content, func(t *testing.T) {
			t.Chdir(t.TempDir())
			require.NoError(t, os.WriteFile("good.txt", []byte("hidden"), 0o600))
			require.NoError(t, os.WriteFile("c.yaml", []byte(c.content), 0o600))
			path := "c.yaml"
			_, err := loadConfig(ServeFlags{StoreFlags: StoreFlags{Config: &path}}, environment{}.get)
			require.EqualError(t, err, "c.yaml:"+c.want)
			require.NotContains(t, err.Error(), "hidden")
		})
	}
}
