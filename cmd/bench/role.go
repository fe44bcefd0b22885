package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// roleWord makes a child process of bench what stands beside the server.
const roleWord = "role"

// play serves as the named role on a free port, tells its base URL, and ends
// with ctx.
func play(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet(roleWord, flag.ContinueOnError)
	target := flags.String("target", "", "where the proxy leads")
	dir := flags.String("dir", "", "where commits go")
	if len(args) == 0 {
		return errors.New("which role? write upstream, proxy or disk")
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	var handler http.Handler
	var err error
	switch args[0] {
	case "upstream":
		handler = newUpstream()
	case "proxy":
		handler, err = newProxy(*target)
	case "disk":
		handler, err = newDisk(ctx, *dir)
	default:
		err = fmt.Errorf("there is no role %q; write upstream, proxy or disk", args[0])
	}
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() }) // Serve tells it
	fmt.Fprintf(out, "http://%s\n", listener.Addr())
	if err := server.Serve(listener); ctx.Err() == nil {
		return err
	}
	return nil
}
