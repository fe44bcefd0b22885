package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/net/netutil"
)

// grace is how long running model calls may go on after SIGTERM; what is
// unfinished then is taken up at the next start.
const grace = 10 * time.Second

// webhookGrace is how long webhooks may be delivered behind that; what is left
// is sent at the next start.
const webhookGrace = 5 * time.Second

// Run serves until it is told to stop.
func (c *ServeCmd) Run(ctx context.Context, sys System) (err error) {
	load := func() (Config, error) {
		config, err := loadConfig(c.ServeFlags, sys.Getenv)
		if err == nil && config.Recordings.Replay == "" {
			err = refuseOwnAddress(ctx, config, machine)
		}
		return config, err
	}
	config, err := load()
	if err != nil {
		return &usageError{err}
	}
	logger := newLogger(config.LogFormat, sys)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", config.Listen)
	if err != nil {
		return fmt.Errorf("listening on %s: %w; write another address with --listen", config.Listen, err)
	}
	defer func() { _ = listener.Close() }() // closed already after serving
	if sys.Getenv("GOGC") == "" {           // else the operator has decided
		adaptCollections()
	}
	repeats, err := repeat(&config, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, repeats.close()) }()
	app, err := newApp(ctx, config, repeats, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, app.close()) }()
	app.address = listener.Addr().String()
	if err := app.start(ctx); err != nil {
		return err
	}
	if config.File != "" { // without one a hangup means what it does elsewhere: the end
		hangups := make(chan os.Signal, 1)
		signal.Notify(hangups, syscall.SIGHUP)
		defer signal.Stop(hangups)
		app.reloadOn(hangups, load)
	}
	app.tellAddress()
	defer app.forgetAddress()
	app.tellVitals()
	announce(logger, config, listener.Addr().String())
	return app.serve(ctx, listener)
}

// newLogger writes to standard error; standard output is for what was asked for.
func newLogger(format LogFormat, sys System) *slog.Logger {
	if format == LogJSON {
		return slog.New(slog.NewJSONHandler(sys.Stderr, nil))
	}
	return slog.New(slog.NewTextHandler(sys.Stderr, nil))
}

// announce writes the few lines a start needs.
func announce(logger *slog.Logger, config Config, address string) {
	logger.Info("understudy is ready", "base_url", "http://"+address+"/v1", "data", config.Data, "version", versionText(), "auth", config.Auth)
	for _, u := range config.Upstreams {
		logger.Info("upstream", "name", u.Name, "base_url", publicURL(u.BaseURL))
	}
	config.Recordings.tell(logger)
	if config.Offline && config.Recordings.Replay == "" {
		logger.Info("no upstream is configured: the built-in offline model answers; write --upstream-url, or set OPENAI_API_KEY, for a real one")
	}
	logger.Info("the tool code_interpreter is accepted and stored, but cannot be run yet")
}

// serve answers requests until ctx ends, then lets what is under way come to
// its end: runs that cannot are taken up at the next start.
func (a *app) serve(ctx context.Context, listener net.Listener) error {
	server := a.handler.Server(a.logger)
	listener = netutil.LimitListener(listener, cmp.Or(a.config.Limits.Connections, defaultConnections)) // others wait to be accepted
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	a.repeats.stopping()
	a.logger.Info("stopping: no new runs; running ones have time to end", "grace", grace)
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*grace)
	defer cancel()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		a.engine.Stop()
	}()
	err := server.Shutdown(patience)
	<-drained
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	a.logger.Info("stopped")
	return err
}
