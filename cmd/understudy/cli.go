package main

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// CLI is the grammar of the command line. Flags that are pointers are nil when
// they were not given: the environment, the configuration file and the
// defaults then decide, in this order.
type CLI struct {
	Serve   ServeCmd   `cmd:"" help:"Answer the Assistants API."`
	Version VersionCmd `cmd:"" help:"Show the version and exit."`
	Keys    KeysCmd    `cmd:"" help:"Create, list and revoke the API keys that clients send."`

	Upstreams UpstreamsCmd `cmd:"" help:"Try out the Chat Completions backends."`

	Runs RunsCmd `cmd:"" help:"Watch runs."`

	Export ExportCmd `cmd:"" help:"Write everything but keys as lines of JSON, with the bytes of files."`
	Import ImportCmd `cmd:"" help:"Read what export wrote, or what was taken out of the hosted API."`

	Backup  BackupCmd  `cmd:"" help:"Copy the whole state into one file, while the server runs."`
	Restore RestoreCmd `cmd:"" help:"Make a data directory of a backup."`
	Erase   EraseCmd   `cmd:"" help:"Remove threads for good, and print a receipt."`

	Rehearse RehearseCmd `cmd:"" help:"Try another model on past runs, and show what would change."`
}

// StoreFlags say where the state lies; every command that opens it has them.
type StoreFlags struct {
	Config *string `placeholder:"FILE" help:"Configuration file in YAML. [$$UNDERSTUDY_CONFIG]"`
	Data   *string `placeholder:"DIR" help:"Directory of the database and the files; default ./data. [$$UNDERSTUDY_DATA]"`
}

// ServeFlags are all settings that the command line has.
type ServeFlags struct {
	StoreFlags  `embed:""`
	Listen      *string `placeholder:"HOST:PORT" help:"Address to listen on; default 127.0.0.1:8080. [$$UNDERSTUDY_LISTEN]"`
	UpstreamURL *string `name:"upstream-url" placeholder:"URL" help:"Base URL of the Chat Completions backend, instead of the file's upstreams. [$$UNDERSTUDY_UPSTREAM_URL]"`
	UpstreamKey *string `name:"upstream-key" placeholder:"KEY" help:"API key of the backend. Prefer the environment: other users can see a command line. [$$UNDERSTUDY_UPSTREAM_KEY]"`
	Durability  *string `placeholder:"full|normal" help:"full (the default): an answered request survives a power cut; normal: only a crash of the server. [$$UNDERSTUDY_DURABILITY]"`
	Auth        *string `placeholder:"none|keys" help:"keys: clients must send a key made by 'understudy keys create'; none: anyone who reaches the address is let in. [$$UNDERSTUDY_AUTH]"`
	Record      *string `placeholder:"DIR" help:"Keep what the upstreams answer in a directory, for --replay. [$$UNDERSTUDY_RECORD]"`
	Replay      *string `placeholder:"DIR" help:"Answer from the recordings of a directory, and ask no upstream. [$$UNDERSTUDY_REPLAY]"`
	LogFormat   *string `placeholder:"text|json" help:"Format of the log; default text. [$$UNDERSTUDY_LOG_FORMAT]"`
}

// exampleConfig is the file that the help shows: every key, with its default
// where it has one.
const exampleConfig = `listen: 127.0.0.1:8080
data: ./data
durability: full
auth: {mode: none}              # none | keys
log_format: text                # text | json
cors_origins: [https://app.example.com]
upstreams:
  - name: openai                # the model "openai/x" goes here as "x"
    base_url: https://api.openai.com/v1
    api_key: ${OPENAI_API_KEY}  # or api_key_file: /run/secrets/openai
    auth: bearer                # bearer | raw | api-key | none
    headers: {}
    stream: auto                # auto | always | never
    idle_timeout: 60s
    max_retries: 4
    max_concurrent: 256         # calls at once; more wait their turn
    context_window: 128000      # tokens
    images: inline              # image URLs: inline (fetched here) | url (handed on) | none
    embedding_model: text-embedding-3-small
    embedding_dimensions: 256   # for models that can be asked; else the model's own
    kind: openai                # told by the address; profile: {strict: false} changes single ways
models:                         # first match wins, * matches anything
  "gpt-4*": openai/gpt-5-mini
  "*": openai/gpt-5-mini | openai/gpt-5-nano
models_strict: false            # true: refuse models that match nothing
relay: [/v1/fine_tuning, /mj]   # paths that go to the upstreams as they are
image_hosts: [10.1.0.0/16]      # private hosts that image URLs may name; public ones always may
file_search: {quotes: false, memory: 256, workers: 2} # passages in citations; MiB of vectors; files read at once
limits: {runs: 256, queue: 1000, connections: 4096, bodies: 256MiB, answers: 512MiB} # also runs_per_project, requests_per_minute
tape: {keep: 30d, max_size: 1GiB} # what is kept of model calls; off: [secret] keeps nothing of a project
webhooks:                       # told what becomes of runs
  - url: https://app.example.com/webhooks
    secret: ${WEBHOOK_SECRET}   # or secret_file; also events, project, attempts
run_webhooks: {secret: "${WEBHOOK_SECRET}", hosts: [app.example.com]} # told of runs that ask for it
adopt: off                      # empty: unknown thread ids come to life as empty threads
# record: tests/recordings      # keeps what upstreams answer; or replay: tests/recordings
record_ignore: ['\d{4}-\d\d-\d\d'] # what may differ between a request and its recording
metrics: {token: "${METRICS_TOKEN}"} # or token_file; opens /metrics, which API keys do not
`

// indent marks a text as an example, for the help's formatting.
func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ") + "\n"
}

// ServeCmd is "understudy serve".
type ServeCmd struct {
	ServeFlags `embed:""`
}

// Help implements kong.HelpProvider.
func (ServeCmd) Help() string {
	return `Point an OpenAI client's base URL at the address (its /v1) and the Assistants API answers again.

Try it without any key; the built-in offline model answers:

    understudy serve

With OpenAI, Ollama, or any other Chat Completions backend:

    OPENAI_API_KEY=sk-... understudy serve
    understudy serve --upstream-url http://localhost:11434/v1
    UNDERSTUDY_UPSTREAM_KEY=... understudy serve --upstream-url https://openrouter.ai/api/v1

In tests, without any key: what the upstreams answered once is answered again, with the same ids and times:

    understudy serve --record tests/recordings
    understudy serve --replay tests/recordings

For other machines, with API keys:

    understudy keys create laptop
    understudy serve --listen 0.0.0.0:8080 --auth keys

Every flag can be given as the environment variable named behind it. Flags beat the environment, and the environment beats the configuration file. When none of them names an upstream, OPENAI_BASE_URL and OPENAI_API_KEY are used, if set.

A configuration file can do more; after SIGHUP its upstreams, models, relay, cors_origins, webhooks, run_webhooks and limits.requests_per_minute are read again:

` + indent(exampleConfig)
}

// VersionCmd is "understudy version".
type VersionCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// KeysCmd groups the commands about API keys.
type KeysCmd struct {
	Create KeysCreateCmd `cmd:"" help:"Create a key and print it once; only its hash is stored."`
	List   KeysListCmd   `cmd:"" help:"List the keys, without the keys themselves."`
	Revoke KeysRevokeCmd `cmd:"" help:"Revoke a key; requests that carry it are refused from then on."`
}

// Help implements kong.HelpProvider.
func (KeysCmd) Help() string {
	return `Keys count when the server runs with --auth keys. They belong to a project, and see nothing of other projects.

    understudy keys create laptop
    understudy keys create ci --project staging
    understudy keys list
    understudy keys revoke 27upcmgak2lr

The commands work on the data directory, while the server runs, too.
`
}

// KeysCreateCmd is "understudy keys create".
type KeysCreateCmd struct {
	StoreFlags `embed:""`
	Name       string `arg:"" optional:"" help:"What the key is for, as the list shows it."`
	Project    string `placeholder:"NAME" default:"default" help:"Project that the key opens; it is made when it is new. The default is \"${default}\"."`
}

// KeysListCmd is "understudy keys list".
type KeysListCmd struct {
	StoreFlags `embed:""`
	JSON       bool `name:"json" help:"Print one JSON object for each key."`
}

// KeysRevokeCmd is "understudy keys revoke".
type KeysRevokeCmd struct {
	StoreFlags `embed:""`
	ID         string `arg:"" help:"The key's id, as the list shows it."`
}

// UpstreamsCmd groups the commands about upstreams.
type UpstreamsCmd struct {
	Check UpstreamsCheckCmd `cmd:"" help:"Ask each upstream once for what runs need of it, and show what works."`
}

// UpstreamsCheckCmd is "understudy upstreams check".
type UpstreamsCheckCmd struct {
	Config      *string       `placeholder:"FILE" help:"Configuration file in YAML. [$$UNDERSTUDY_CONFIG]"`
	UpstreamURL *string       `name:"upstream-url" placeholder:"URL" help:"Base URL of the Chat Completions backend, instead of the file's upstreams. [$$UNDERSTUDY_UPSTREAM_URL]"`
	UpstreamKey *string       `name:"upstream-key" placeholder:"KEY" help:"API key of the backend. Prefer the environment: other users can see a command line. [$$UNDERSTUDY_UPSTREAM_KEY]"`
	Model       string        `placeholder:"MODEL" help:"Model to ask for; default: one of the models: map, else one that the upstream lists."`
	Timeout     time.Duration `placeholder:"DURATION" default:"30s" help:"How long each question may take. The default is ${default}."`
}

// Help implements kong.HelpProvider.
func (UpstreamsCheckCmd) Help() string {
	return `Asks for the list of models, a very short answer, a function call, a stream and, where an embedding model is configured, an embedding. The backends may charge for it, a fraction of a cent. The exit code is 1 when an upstream cannot chat.

    understudy upstreams check --config understudy.yaml
    understudy upstreams check --upstream-url http://localhost:11434/v1 --model llama3.2
`
}

// errHelpShown says that the help was asked for and printed: there is nothing
// left to run, and nothing went wrong.
var errHelpShown = errors.New("help was shown")

// parseArgs reads a command line without the program's name. Help goes to
// stdout and ends with errHelpShown.
func parseArgs(args []string, stdout, stderr io.Writer) (*CLI, *kong.Context, error) {
	var cli CLI
	parser, err := kong.New(&cli,
		kong.Name("understudy"),
		kong.Description("Understudy is the OpenAI Assistants API on any Chat Completions backend, in one program with its state in a directory of yours."),
		kong.Writers(stdout, stderr),
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 100}),
		kong.Help(func(options kong.HelpOptions, ctx *kong.Context) error {
			if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
				return err
			}
			return errHelpShown
		}),
	)
	if err != nil {
		return nil, nil, err
	}
	ctx, err := parser.Parse(args)
	return &cli, ctx, err
}
