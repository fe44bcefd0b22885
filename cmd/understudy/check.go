package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
	"unicode"

	"understudy/api/wire"
	"understudy/runs/chat"
)

// Run asks every upstream at the same time, and shows what came of it.
func (c *UpstreamsCheckCmd) Run(ctx context.Context, sys System) error {
	config, err := loadConfig(ServeFlags{
		StoreFlags: StoreFlags{Config: c.Config}, UpstreamURL: c.UpstreamURL, UpstreamKey: c.UpstreamKey,
	}, sys.Getenv)
	if err != nil {
		return &usageError{err}
	}
	checks := make([]*check, len(config.Upstreams))
	for i, u := range config.Upstreams {
		if checks[i], err = newCheck(config, u, c); err != nil {
			return &usageError{err}
		}
	}
	var all sync.WaitGroup
	for _, k := range checks {
		all.Go(func() { k.run(ctx) })
	}
	all.Wait()
	table := tabwriter.NewWriter(sys.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "UPSTREAM\tCHECK\tRESULT\tTIME\tNOTE")
	var mute []string
	for _, k := range checks {
		k.show(table)
		if !k.chats {
			mute = append(mute, k.upstream.Name)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(mute) > 0 {
		return fmt.Errorf("no chat with %s", strings.Join(mute, ", "))
	}
	return nil
}

// check is the conversation with one upstream.
type check struct {
	upstream Upstream
	client   *chat.Client
	model    string // empty until it is known which to ask
	timeout  time.Duration
	lessons  *lessons
	findings []finding
	chats    bool
}

// finding is a line of the table; a hint has a line of its own.
type finding struct {
	what, result string
	took         time.Duration // 0 = it does not matter
	note, hint   string
}

const (
	works  = "ok"
	failed = "failed"
	off    = "-" // not asked
)

// newCheck gives each upstream a client of its own: what one learns and how it
// fails has nothing to do with the others. Nothing is repeated, so that a first
// failure is seen.
func newCheck(config Config, u Upstream, c *UpstreamsCheckCmd) (*check, error) {
	none := 0
	u.MaxRetries = &none
	k := &check{upstream: u, timeout: c.Timeout, lessons: &lessons{}, model: c.Model}
	if k.model == "" {
		k.model = mappedModel(config, u.Name)
	}
	var err error
	k.client, err = newChat(Config{Upstreams: []Upstream{u}}, &repetition{}, wire.NewHexID("hop_"), slog.New(k.lessons))
	return k, err
}

// mappedModel is the first model that the models: map sends to the upstream.
func mappedModel(config Config, upstream string) string {
	for _, m := range config.Models {
		for target := range strings.SplitSeq(m.Target, "|") {
			target = strings.TrimSpace(target)
			name, model, _ := strings.Cut(target, "/")
			if !slices.ContainsFunc(config.Upstreams, func(u Upstream) bool { return u.Name == name }) {
				name, model = config.Upstreams[0].Name, target
			}
			if name == upstream && model != "*" {
				return model
			}
		}
	}
	return ""
}

// run asks one thing after the other, so that one model has one caller.
func (k *check) run(ctx context.Context) {
	defer k.client.Close()
	k.ask(ctx, "models", k.models)
	if k.model == "" {
		k.findings = append(k.findings, finding{
			what: "chat", result: failed, note: "no model is known to ask", hint: "name one with --model, or in the models: map of the configuration",
		})
		return
	}
	k.chats = k.ask(ctx, "chat", k.chat)
	if !k.chats {
		return
	}
	k.ask(ctx, "tool call", k.tool)
	k.ask(ctx, "stream", k.stream)
	k.ask(ctx, "embeddings", k.embed)
	k.findings = append(k.findings, finding{what: "profile", result: works, note: k.kind() + "; " + k.lessons.String()})
}

// kind is the family whose ways were tried first.
func (k *check) kind() string {
	return cmp.Or(k.upstream.Kind, chat.GuessKind(k.upstream.BaseURL))
}

func (k *check) ask(ctx context.Context, what string, question func(context.Context) finding) bool {
	ctx, cancel := context.WithTimeoutCause(ctx, k.timeout, errSlow)
	defer cancel()
	started := time.Now()
	f := question(ctx)
	f.what = what
	if f.result != off && f.took == 0 {
		f.took = time.Since(started)
	}
	k.findings = append(k.findings, f)
	return f.result == works
}

var errSlow = errors.New("no answer within the time that --timeout gives")

// models asks for the list of models, and takes one of it when none is known.
func (k *check) models(ctx context.Context) finding {
	ways, done, err := k.client.Outgoing("", k.upstream.Name)
	if err != nil {
		return k.fault(0, err)
	}
	defer done()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "/models", nil)
	if err != nil {
		return k.fault(0, err)
	}
	response, err := ways[0].Send(request, false)
	if err != nil {
		return k.fault(0, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return k.fault(response.StatusCode, errNoList)
	}
	var list struct {
		Data []struct{ ID string }
	}
	if json.NewDecoder(io.LimitReader(response.Body, maxModelList)).Decode(&list) != nil {
		return finding{result: failed, note: "what came is no list of models", hint: "it is used to show clients what there is; runs do without"}
	}
	ids := make([]string, 0, len(list.Data))
	for _, m := range list.Data {
		ids = append(ids, m.ID)
	}
	k.model = cmp.Or(k.model, likelyModel(ids))
	return finding{result: works, note: fmt.Sprintf("%d listed", len(ids))}
}

// maxModelList bounds what is read of a list, in bytes.
const maxModelList = 8 << 20

var errNoList = errors.New("the models cannot be listed")

// likelyModel picks a model that chats, best a small one, by its name.
func likelyModel(ids []string) string {
	says := func(id string, words ...string) bool {
		return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(strings.ToLower(id), word) })
	}
	chats := slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		return says(id, "embed", "whisper", "tts", "dall-e", "image", "moderation", "audio", "realtime", "transcribe", "search", "sora", "babbage", "davinci", "instruct", "rerank", "guard", "codex")
	})
	for _, id := range chats {
		if says(id, "nano", "-mini", "flash", "haiku", "small", "lite") {
			return id
		}
	}
	return slices.Concat(chats, ids, []string{""})[0]
}

// request is a question to the model.
func (k *check) request(text string) chat.Request {
	return chat.Request{Model: k.upstream.Name + "/" + k.model, Messages: []chat.Message{{Role: chat.User, Content: []chat.Part{{Text: text}}}}}
}

// chat asks for one token. Models that think first cannot stop there; some
// call that an error.
func (k *check) chat(ctx context.Context) finding {
	request := k.request("Say: ok")
	request.MaxCompletionTokens = 1
	answer, err := k.client.Complete(ctx, request, nil)
	if err != nil && answer.Exchange.Status == http.StatusBadRequest && strings.Contains(err.Error(), "max_") {
		request.MaxCompletionTokens = 0
		answer, err = k.client.Complete(ctx, request, nil)
	}
	if err != nil {
		return k.fault(answer.Exchange.Status, err)
	}
	return finding{result: works, note: k.model}
}

// tool forces a call of a function.
func (k *check) tool(ctx context.Context) finding {
	const hint = "assistants with tools need another model, or another server for this one"
	request := k.request("What is the weather in Paris?")
	request.Tools = []chat.Tool{{
		Name: "get_weather", Description: "Looks up the weather of a city.",
		Parameters: json.RawMessage(`{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}`),
	}}
	request.ToolChoice = chat.ToolChoice{Mode: "function", Function: "get_weather"}
	answer, err := k.client.Complete(ctx, request, nil)
	var arguments struct{ City string }
	switch {
	case err != nil:
		f := k.fault(answer.Exchange.Status, err)
		f.hint = hint
		return f
	case len(answer.Calls) == 0:
		return finding{result: failed, note: "it answered with text, although it was told to call a function", hint: hint}
	case json.Unmarshal([]byte(answer.Calls[0].Arguments), &arguments) != nil || arguments.City == "":
		return finding{result: failed, note: "it called the function with other arguments than it has", hint: hint}
	}
	return finding{result: works, note: "get_weather " + answer.Calls[0].Arguments}
}

// pieces counts what is shown.
type pieces int

// Text implements chat.Sink.
func (p *pieces) Text(string) { *p++ }

// Refusal implements chat.Sink.
func (p *pieces) Refusal(string) { *p++ }

func (k *check) stream(ctx context.Context) finding {
	if k.upstream.Stream == chat.StreamNever {
		return finding{result: off, note: "stream: never"}
	}
	var shown pieces
	answer, err := k.client.Complete(ctx, k.request("Count from 1 to 10."), &shown)
	switch first := answer.Exchange.FirstToken; {
	case err != nil:
		return k.fault(answer.Exchange.Status, err)
	case first.IsZero():
		return finding{result: failed, note: "the answer came in one piece", hint: "runs do without; stream: never saves asking for it"}
	default:
		return finding{result: works, took: first.Sub(answer.Exchange.Started), note: fmt.Sprintf("until the first of %d pieces", shown)}
	}
}

func (k *check) embed(ctx context.Context) finding {
	if k.upstream.EmbeddingModel == "" {
		return finding{result: off, note: "no embedding_model is configured"}
	}
	vectors, _, err := k.client.Embed(ctx, "", []string{"one text"})
	if err != nil {
		f := k.fault(0, err)
		f.hint = "write the embedding_model that this upstream has, or none"
		return f
	}
	return finding{result: works, note: fmt.Sprintf("%s, %d dimensions", k.upstream.EmbeddingModel, len(vectors[0]))}
}

// fault says what went wrong, and what to try.
func (k *check) fault(status int, err error) finding {
	f := finding{result: failed, note: err.Error()}
	if failure, ok := errors.AsType[*chat.Error](err); ok {
		f.note = failure.Message
	}
	if status != 0 {
		f.note = fmt.Sprintf("HTTP status %d: %s", status, f.note)
	}
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		f.hint = "look at the key, and at auth: (bearer, raw, api-key or none)"
	case status == http.StatusPaymentRequired || status == http.StatusTooManyRequests:
		f.hint = "look at the account's balance and limits"
	case status == http.StatusNotFound || status >= 300 && status < 400:
		f.hint = "look at base_url, which usually ends in /v1, and whether the model is there (--model names another): " + publicURL(k.upstream.BaseURL)
	case status >= http.StatusInternalServerError:
		f.hint = "the upstream has trouble of its own; its log may say more"
	case errors.Is(err, errSlow):
		f.hint = "a local model may still be loading; --timeout 5m waits longer"
	case status == 0:
		f.hint = "look whether it runs, and at base_url: " + publicURL(k.upstream.BaseURL)
	}
	return f
}

// show writes the findings.
func (k *check) show(table io.Writer) {
	for _, f := range k.findings {
		took := ""
		switch {
		case f.took >= time.Millisecond:
			took = f.took.Round(time.Millisecond).String()
		case f.took > 0:
			took = "<1ms"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", k.upstream.Name, f.what, f.result, took, printable(f.note))
		if f.hint != "" && f.result == failed {
			fmt.Fprintf(table, "\t\t\t\t-> %s\n", f.hint)
		}
	}
}

// maxNote bounds what is shown of what somebody else says, in characters.
const maxNote = 300

// printable keeps other people's words on one line, and from steering the terminal.
func printable(text string) string {
	shown := []rune(strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return ' '
	}, text))
	if len(shown) > maxNote {
		return string(shown[:maxNote]) + "…"
	}
	return string(shown)
}

// lessons is a log that keeps what the client learnt of an upstream: it says so
// in lines of level Info.
type lessons struct {
	mu   sync.Mutex
	list []string
}

func (l *lessons) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) == 0 {
		return "nothing had to be changed"
	}
	return strings.Join(l.list, "; ")
}

// Enabled implements slog.Handler.
func (l *lessons) Enabled(_ context.Context, level slog.Level) bool { return level == slog.LevelInfo }

// Handle implements slog.Handler.
func (l *lessons) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Contains(l.list, r.Message) {
		l.list = append(l.list, r.Message)
	}
	return nil
}

// WithAttrs implements slog.Handler; which upstream it is about is known.
func (l *lessons) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements slog.Handler.
func (l *lessons) WithGroup(string) slog.Handler { return l }
