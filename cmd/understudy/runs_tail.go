package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"understudy/runs"
)

// RunsCmd groups the commands about runs.
type RunsCmd struct {
	Tail RunsTailCmd `cmd:"" help:"Show what becomes of runs, as it happens."`
}

// RunsTailCmd is "understudy runs tail".
type RunsTailCmd struct {
	ServerFlags `embed:""`
	JSON        bool `name:"json" help:"Print one JSON object for each change."`
}

// Help implements kong.HelpProvider.
func (RunsTailCmd) Help() string {
	return `Shows the runs that have not ended, then one line for each change of a run's status: when, thread, run, status, model, tokens of prompt and answer so far, seconds since the run was created, and what it waits for or why it failed. It goes on when the server is started again, until it is interrupted.

    understudy runs tail
    understudy runs tail --data /var/lib/understudy
    UNDERSTUDY_KEY=... understudy runs tail --url https://understudy.example.com
    understudy runs tail --json | jq 'select(.status == "failed")'
`
}

// How long a server that is away is waited for, from the first try to the later ones.
const (
	firstWait = 250 * time.Millisecond
	lastWait  = 5 * time.Second
)

// tail follows one server.
type tail struct {
	find   func() (string, error) // the server's address
	key    string
	show   func(runs.Progress, json.RawMessage) error
	notice func(format string, values ...any)
}

// Run follows the server until it is interrupted.
func (c *RunsTailCmd) Run(ctx context.Context, sys System) error {
	find, key, err := c.server(sys)
	if err != nil {
		return err
	}
	t := &tail{
		find: find, key: key,
		show:   newProgressLines(sys).show,
		notice: func(format string, values ...any) { fmt.Fprintf(sys.Stderr, format+"\n", values...) },
	}
	if c.JSON {
		t.show = func(_ runs.Progress, line json.RawMessage) error {
			_, err := fmt.Fprintf(sys.Stdout, "%s\n", line)
			return err
		}
	}
	return t.follow(ctx)
}

// refusedError is an answer that trying again would not change.
type refusedError struct{ text string }

func (e *refusedError) Error() string { return e.text }

// follow connects again whenever the server has gone away.
func (t *tail) follow(ctx context.Context) error {
	wait, told := firstWait, false
	for {
		connected, err := t.once(ctx)
		refused, final := errors.AsType[*refusedError](err)
		switch {
		case ctx.Err() != nil:
			return nil // an interrupt is how this ends
		case final:
			return refused
		case connected:
			wait, told = firstWait, false
		}
		if !told {
			t.notice("the server went away (%v); waiting for it", err)
			told = true
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		wait = min(2*wait, lastWait)
	}
}

// once follows the server until the connection ends.
func (t *tail) once(ctx context.Context) (connected bool, err error) {
	base, err := t.find()
	if err != nil {
		return false, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v1/x/runs/events?stream=true", nil)
	if err != nil {
		return false, &refusedError{err.Error()}
	}
	if t.key != "" {
		request.Header.Set("Authorization", "Bearer "+t.key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err
		}
		return false, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return false, answered(response)
	}
	t.notice("following the runs at %s", base)
	return true, t.read(response.Body)
}

// answered says why the server does not show its runs; what passes by itself is
// no refusal.
func answered(response *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	text := "the server answered " + printable(response.Status)
	if message := messageOf(body); message != "" {
		text += ": " + message
	} else {
		text += "."
	}
	switch {
	case response.StatusCode == http.StatusUnauthorized:
		return &refusedError{text + " Write the key with --key or UNDERSTUDY_KEY."}
	case response.StatusCode == http.StatusNotFound:
		return &refusedError{text + " It may be an older Understudy, or none."}
	case response.StatusCode < http.StatusInternalServerError && response.StatusCode != http.StatusTooManyRequests:
		return &refusedError{text}
	}
	return errors.New(text)
}

// errOver is the end of a stream that the server ended in order.
var errOver = errors.New("it stops")

// maxLine bounds a line of the stream, in bytes: last_error repeats what a
// backend said.
const maxLine = 1 << 20

// read shows what comes.
func (t *tail) read(body io.Reader) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue // what keeps the connection alive
		}
		var came struct {
			runs.Progress
			Count int `json:"count"`
		}
		if err := json.Unmarshal([]byte(data), &came); err != nil {
			return fmt.Errorf("the server sent what is no JSON: %w", err)
		}
		if came.Object == "thread.run.progress.lost" {
			t.notice("%d changes were left out: this reader is too slow for them", came.Count)
			continue
		}
		if err := t.show(came.Progress, json.RawMessage(data)); err != nil {
			return &refusedError{err.Error()} // nobody reads the output any more
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return errOver
}
