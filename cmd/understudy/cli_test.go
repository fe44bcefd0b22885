package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHelpTeaches(t *testing.T) {
	for command, phrases := range map[string][]string{
		"":            {"Usage: understudy <command>", "keys create [<name>]", "Answer the Assistants API."},
		"serve":       {"OPENAI_API_KEY=sk-... understudy serve", "--listen=HOST:PORT", "UNDERSTUDY_UPSTREAM_URL", "api_key: ${OPENAI_API_KEY}", "models_strict: false", "relay: [/v1/fine_tuning, /mj]", "SIGHUP"},
		"version":     {"--json"},
		"keys":        {"understudy keys create ci --project staging"},
		"keys create": {"--project=NAME", `The default is "default".`, "UNDERSTUDY_DATA"},
		"keys list":   {"--json"},
		"keys revoke": {"<id>"},

		"export": {"understudy export understudy.ndjson", "[<file>]", "UNDERSTUDY_DATA"},
		"import": {"understudy import --dry-run understudy.ndjson", "<path>", "--project=NAME", "assistants-thread-export/v1"},

		"backup":  {"understudy backup /backups/understudy-2026-11-22.tar", "<file>"},
		"erase":   {"understudy erase --older-than 90d > receipt.json", "--user=NAME"},
		"restore": {"understudy restore --data ./restored", "<file>"},

		"runs tail": {"understudy runs tail --json", "UNDERSTUDY_KEY", "--url=URL"},

		"upstreams check": {"understudy upstreams check --config understudy.yaml", "UNDERSTUDY_UPSTREAM_KEY", "--timeout", "The default is 30s."},
	} {
		t.Run(command, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			args := append(strings.Fields(command), "--help")
			_, _, err := parseArgs(args, &stdout, &stderr)
			require.ErrorIs(t, err, errHelpShown)
			require.Empty(t, stderr.String())
			for _, phrase := range phrases {
				require.Contains(t, stdout.String(), phrase)
			}
			for _, name := range []string{"LISTEN", "DATA", "UPSTREAM_URL", "UPSTREAM_KEY", "CONFIG", "DURABILITY", "AUTH", "LOG_FORMAT"} {
				if command == "serve" {
					require.Contains(t, stdout.String(), "[$UNDERSTUDY_"+name+"]")
				}
			}
		})
	}
}

func TestHelpShowsAFileThatLoads(t *testing.T) {
	c, err := load(t, exampleConfig, nil, environment{
		"OPENAI_API_KEY": "sk", "METRICS_TOKEN": "mt", "WEBHOOK_SECRET": "whsec_" + strings.Repeat("A", 32),
	})
	require.NoError(t, err)
	require.Equal(t, "sk", c.Upstreams[0].APIKey.Reveal())
	require.Len(t, c.Models, 2)
	require.Equal(t, defaultTape, c.Tape)
}

// TestEveryKeyIsWrittenOf: in the help, and in the documentation.
func TestEveryKeyIsWrittenOf(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "configuration.md"))
	require.NoError(t, err)
	for key := range (&configFile{}).keys(&reader{}) {
		require.Regexp(t, `(?m)(^|[ #])`+key+`:`, exampleConfig)
		require.Regexp(t, "(?m)`"+key+"[.`[]", string(page))
	}
}

func TestCommandLine(t *testing.T) {
	parse := func(line string) (*CLI, string, error) {
		cli, ctx, err := parseArgs(strings.Fields(line), &bytes.Buffer{}, &bytes.Buffer{})
		if err != nil {
			return nil, "", err
		}
		return cli, ctx.Command(), nil
	}
	cli, command, err := parse("keys create laptop --project p --data d")
	require.NoError(t, err)
	require.Equal(t, "keys create <name>", command)
	require.Equal(t, "laptop", cli.Keys.Create.Name)
	require.Equal(t, "p", cli.Keys.Create.Project)
	require.Equal(t, "d", *cli.Keys.Create.Data)
	require.Nil(t, cli.Keys.Create.Config)

	cli, _, err = parse("keys create")
	require.NoError(t, err)
	require.Equal(t, "default", cli.Keys.Create.Project)

	cli, command, err = parse("keys revoke key_1")
	require.NoError(t, err)
	require.Equal(t, "keys revoke <id>", command)
	require.Equal(t, "key_1", cli.Keys.Revoke.ID)

	cli, _, err = parse("version --json")
	require.NoError(t, err)
	require.True(t, cli.Version.JSON)

	for line, want := range map[string]string{
		"":                `expected one of "serve", "version", "keys"`,
		"keys revoke":     `expected "<id>"`,
		"serve --lisen x": `did you mean "--listen"?`,
	} {
		_, _, err = parse(line)
		require.ErrorContains(t, err, want)
	}
}
