package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"
)

// Secret is a value that is never printed, logged or encoded: every way of
// showing it shows a placeholder, or nothing when it is empty. Structs must
// hold it in exported fields, because package fmt reaches into others by
// reflection.
type Secret string

const redacted = "[redacted]"

// Reveal returns the value itself, for the one place that sends it.
func (s Secret) Reveal() string { return string(s) }

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Format implements fmt.Formatter, which covers verbs that a Stringer does not.
func (s Secret) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, s.String()) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler, which JSON and YAML heed.
func (s Secret) MarshalText() ([]byte, error) { //nolint:unparam // encoding.TextMarshaler has an error
	return []byte(s.String()), nil
}

// bareURL is a URL without its query and password.
func bareURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return redacted
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// publicURL is a URL without what may be a secret in it: the user's password
// and the values of the query.
func publicURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return redacted
	}
	if u.User != nil {
		u.User = url.User(redacted)
	}
	if u.RawQuery != "" {
		u.RawQuery = redacted
	}
	shown, err := url.PathUnescape(u.String())
	if err != nil {
		return u.String()
	}
	return shown
}
