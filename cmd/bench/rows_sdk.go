package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// The scripts alternate the SDK's own direct call with createAndPoll, and print
// how long each took.
var (
	//go:embed sdk/poll.mjs
	nodePoll []byte
	//go:embed sdk/poll.py
	pythonPoll []byte
)

// sdkPolls measures what a client of an official SDK waits for a run, against
// its own call of the model.
func sdkPolls(ctx context.Context, b *bench) ([][]float64, error) {
	node, err1 := b.installed("node", "node_modules", "node-*", "bin", "node")
	openai, err2 := b.installed("node", "node_modules", "openai-7*")
	python, err3 := b.installed("python-3*", "bin", "python")
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, &notMeasured{fmt.Sprintf("%v: run make sdk-install", err)}
	}
	byNode, err1 := b.poll(ctx, "poll.mjs", nodePoll, node, openai)
	byPython, err2 := b.poll(ctx, "poll.py", pythonPoll, python, "")
	return [][]float64{byNode, byPython}, errors.Join(err1, err2)
}

// installed finds what make sdk-install has installed.
func (b *bench) installed(pattern ...string) (string, error) {
	found, err := filepath.Glob(filepath.Join(append([]string{b.sdk}, pattern...)...))
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("%s is not there", filepath.Join(pattern...))
	}
	return filepath.Abs(found[0])
}

// poll runs a script and forms the ratio in each of its rounds.
func (b *bench) poll(ctx context.Context, name string, script []byte, interpreter, module string) ([]float64, error) {
	upstream, err1 := b.upstream()
	server, err2 := b.full()
	path := filepath.Join(b.work, name)
	if err := errors.Join(err1, err2, os.WriteFile(path, script, 0o600)); err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, interpreter, path,
		server.base, upstream.base+"/"+late, server.assistants[late], strconv.Itoa(b.rounds), module)
	command.Env = hermetic()
	var complaint bytes.Buffer
	command.Stderr = &complaint
	printed, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", name, err, complaint.Bytes())
	}
	var rounds []struct{ Direct, Poll float64 }
	if err := json.Unmarshal(printed, &rounds); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", name, err, printed)
	}
	ratios := make([]float64, len(rounds))
	for i, r := range rounds {
		ratios[i] = per(r.Poll, r.Direct)
	}
	return ratios, nil
}
