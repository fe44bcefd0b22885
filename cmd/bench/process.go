package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a child whose use of the machine is known.
type process struct {
	command *exec.Cmd
	base    string // URL
	walIdx  string // index of the write-ahead log of its database; empty = it has none
}

// start starts a child and waits until a line of its output tells its address.
func start(ctx context.Context, address *regexp.Regexp, command ...string) (*process, error) {
	child := exec.CommandContext(ctx, command[0], command[1:]...)
	child.Env = hermetic()
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
	child.WaitDelay = 30 * time.Second
	said, writing, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	child.Stdout, child.Stderr = writing, writing
	err = child.Start()
	_ = writing.Close() // the child has its own
	if err != nil {
		return nil, errors.Join(err, said.Close())
	}
	p := &process{command: child}
	lines := bufio.NewReader(said)
	for last := ""; ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s ended: %s", filepath.Base(command[0]), last), said.Close(), p.stop())
		}
		if found := address.FindStringSubmatch(line); found != nil {
			p.base = found[1]
			go func() {
				_, _ = io.Copy(io.Discard, lines) // a full pipe would stop the child
				_ = said.Close()
			}()
			return p, nil
		}
		last = line
	}
}

// hermetic is the environment without what configures a server.
func hermetic() []string {
	var env []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "OPENAI_") && !strings.HasPrefix(variable, "UNDERSTUDY_") {
			env = append(env, variable)
		}
	}
	return env
}

// stop ends the child in order.
func (p *process) stop() error {
	_ = p.command.Process.Signal(syscall.SIGTERM) // it may have ended
	if err := p.command.Wait(); p.command.ProcessState.ExitCode() > 0 {
		return fmt.Errorf("%s: %w", filepath.Base(p.command.Path), err)
	}
	return nil
}

// kill ends the child at once.
func (p *process) kill() { _ = p.command.Process.Kill() } // it may have ended

// usage is what a process has used so far.
type usage struct {
	cpu          time.Duration
	transactions uint32
}

// read reads what a process has used; nothing for none.
func (p *process) read() (u usage, err error) {
	if p == nil {
		return usage{}, nil
	}
	if u.cpu, err = p.cpu(); err == nil && p.walIdx != "" {
		u.transactions, err = committed(p.walIdx)
	}
	return u, err
}

// cpu adds up the time that the threads have run. Threads that have ended are
// missing; those of Go programs do not end.
func (p *process) cpu() (time.Duration, error) {
	threads, err := filepath.Glob(p.proc("task", "*", "schedstat"))
	if err != nil || len(threads) == 0 {
		return 0, &notMeasured{"this system has no /proc/PID/task/TID/schedstat to read CPU times from"}
	}
	var total time.Duration
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if err != nil {
			return 0, err
		}
		ran, _, _ := strings.Cut(string(text), " ")
		nanoseconds, err := strconv.ParseInt(ran, 10, 64)
		if err != nil {
			return 0, err
		}
		total += time.Duration(nanoseconds)
	}
	return total, nil
}

func (p *process) proc(elem ...string) string {
	return filepath.Join(append([]string{"/proc", strconv.Itoa(p.command.Process.Pid)}, elem...)...)
}

// changeCounter is where the header of the WAL index counts transactions.
const changeCounter = 8

// committed reads how many transactions a database has seen. SQLite counts them
// itself, in the index of its write-ahead log: reading it costs the server
// nothing, where tracing its syncs would slow it down and change what is counted.
func committed(walIdx string) (uint32, error) {
	file, err := os.Open(walIdx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }() // it was only read
	counter := make([]byte, 4)
	if _, err := file.ReadAt(counter, changeCounter); err != nil {
		return 0, err
	}
	return binary.NativeEndian.Uint32(counter), nil
}
