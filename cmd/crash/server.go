package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// build builds the server of this module.
func build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "understudy")
	command := exec.CommandContext(ctx, "go", "build", "-o", path, "understudy/cmd/understudy")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the server: %w: %s", err, said)
	}
	return path, nil
}

// process is one process of the server.
type process struct {
	command *exec.Cmd
	begun   time.Time
	base    chan string   // gets the base URL when the server is ready
	ended   chan struct{} // closed when it has ended

	mu     sync.Mutex
	said   []string // its last lines
	vitals chan string
}

// linesKept of a server's log are shown when something is wrong.
const linesKept = 40

// start starts the server; wrapper, if any, is a command line that runs it.
func start(wrapper []string, server, data, upstream string) (*process, error) {
	line := append(append([]string{}, wrapper...), server, "serve", "--listen=127.0.0.1:0", "--data="+data, "--upstream-url="+upstream)
	p := &process{
		command: exec.Command(line[0], line[1:]...),
		begun:   time.Now(), base: make(chan string, 1), ended: make(chan struct{}), vitals: make(chan string, 1),
	}
	p.command.Env = []string{"HOME=" + data, "PATH=" + os.Getenv("PATH")}
	said, writing, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.command.Stdout, p.command.Stderr = writing, writing
	err = p.command.Start()
	_ = writing.Close() // the child has its own
	if err != nil {
		return nil, errors.Join(err, said.Close())
	}
	go func() {
		defer close(p.ended)
		p.listen(said)
		_ = said.Close()
		_ = p.command.Wait() // how it ended is known
	}()
	return p, nil
}

var readyLine = regexp.MustCompile(`base_url=(http://\S+)/v1`)

// listen reads the log to its end.
func (p *process) listen(log io.Reader) {
	lines := bufio.NewReader(log)
	for {
		line, err := lines.ReadString('\n')
		if found := readyLine.FindStringSubmatch(line); found != nil && strings.Contains(line, "understudy is ready") {
			p.base <- found[1]
		}
		if strings.Contains(line, "msg=vitals ") {
			select {
			case p.vitals <- line:
			default:
			}
		}
		p.mu.Lock()
		p.said = append(p.said, line)
		p.said = p.said[max(0, len(p.said)-linesKept):]
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// log is the end of what the server has written.
func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.said, "")
}

// errEnded says that the server ended by itself before it was ready.
var errEnded = errors.New("the server ended before it was ready")

// await waits until the server is ready.
func (p *process) await(ctx context.Context) (string, error) {
	select {
	case base := <-p.base:
		return base, nil
	case <-p.ended:
		return "", fmt.Errorf("%w:\n%s", errEnded, p.log())
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// signal sends a signal to the server itself, which may run under a wrapper.
func (p *process) signal(s syscall.Signal) {
	pid := p.command.Process.Pid
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if first, _, _ := strings.Cut(string(children), " "); first != "" {
		pid, _ = strconv.Atoi(first)
	}
	_ = syscall.Kill(pid, s) // it may have ended
}

// kill ends the server as a power cut would.
func (p *process) kill() {
	for {
		p.signal(syscall.SIGKILL)
		select {
		case <-p.ended:
			return
		case <-time.After(50 * time.Millisecond): // a wrapper may not have begun it yet
		}
	}
}
