package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"

	"understudy/store"
)

// System is what a command sees of the system it runs on.
type System struct {
	Stdout io.Writer // what was asked for
	Stderr io.Writer // the log, and what went wrong
	Getenv func(string) string
}

// Run carries out a command line, without the program's name, and returns the
// exit code: 0 for success, 1 for a failure, 2 for a command line or
// configuration that cannot be followed. An interrupt or SIGTERM, or the end
// of ctx, ends a serving command in order; a second signal ends it at once.
func Run(ctx context.Context, args []string, sys System) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	_, command, err := parseArgs(args, sys.Stdout, sys.Stderr)
	if errors.Is(err, errHelpShown) {
		return 0
	}
	if err == nil {
		command.BindTo(ctx, (*context.Context)(nil))
		err = command.Run(sys)
	} else {
		err = &usageError{err}
	}
	return sys.exitCode(err)
}

// usageError is a command line or configuration that cannot be followed.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func (sys System) exitCode(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(sys.Stderr, "understudy:", err)
	if _, usage := errors.AsType[*usageError](err); usage {
		fmt.Fprintln(sys.Stderr, "See 'understudy --help'.")
		return 2
	}
	if advice := store.Advice(err); advice != "" && !strings.Contains(err.Error(), advice) {
		fmt.Fprintln(sys.Stderr, "What to do:", advice+".")
	}
	return 1
}
