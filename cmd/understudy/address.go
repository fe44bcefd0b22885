package main

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// addressFile is where a server says, in its data directory, how it is reached.
const addressFile = "address"

// tellAddress writes where the server listens, for the commands that talk to it.
// They can be told otherwise, so failing to is no reason not to serve.
func (a *app) tellAddress() {
	if err := os.WriteFile(filepath.Join(a.config.Data, addressFile), []byte("http://"+reachable(a.address)+"\n"), 0o600); err != nil {
		a.logger.Warn("commands that look for the server by its data directory will not find it", "error", err)
	}
}

// forgetAddress is the end of tellAddress.
func (a *app) forgetAddress() { _ = os.Remove(filepath.Join(a.config.Data, addressFile)) } // it may be gone with its directory

// reachable is an address as it is called from the same machine.
func reachable(listening string) string {
	host, port, err := net.SplitHostPort(listening)
	if err != nil {
		return listening
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// addressOf reads where the server of a data directory listens, "" when there is none.
func addressOf(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, addressFile)) //nolint:gosec // a name of our own in the data directory
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(text)), err
}
