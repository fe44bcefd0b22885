package store

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"understudy/api/wire"
)

var (
	// ErrUnavailable marks an error that is the database's and not the caller's: locked by another process, disk full,
	// read-only, damaged or closed. The API answers it with 503. Nothing of the failed write was kept.
	ErrUnavailable = wire.ErrUnavailable

	// ErrClosed is the ErrUnavailable of a DB after Close.
	ErrClosed = fmt.Errorf("%w: it is closed", ErrUnavailable)
)

// IsUnique reports whether err is the violation of a primary key or a unique index, and which: "table.column,
// table.column" as SQLite names it, or the index's own name when the index is over an expression.
func IsUnique(err error) (string, bool) {
	switch extendedCode(err) {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
	default:
		return "", false
	}
	_, name, _ := strings.Cut(err.Error(), "UNIQUE constraint failed: ")
	name, _, _ = strings.Cut(name, " (")
	return strings.Trim(strings.TrimPrefix(name, "index "), "'"), true
}

// IsBusy reports whether err says that another process kept the database locked for longer than the busy timeout.
func IsBusy(err error) bool {
	return primaryCode(err) == sqlite3.SQLITE_BUSY || primaryCode(err) == sqlite3.SQLITE_LOCKED
}

// IsFull reports whether err says that the disk, or the quota, is full.
func IsFull(err error) bool {
	return primaryCode(err) == sqlite3.SQLITE_FULL
}

// IsReadOnly reports whether err says that the database may be read but not written.
func IsReadOnly(err error) bool {
	return primaryCode(err) == sqlite3.SQLITE_READONLY
}

// IsCorrupt reports whether err says that the file is damaged or is no database at all.
func IsCorrupt(err error) bool {
	return primaryCode(err) == sqlite3.SQLITE_CORRUPT || primaryCode(err) == sqlite3.SQLITE_NOTADB || errors.Is(err, wire.ErrDamaged)
}

// isCannotOpen reports whether err says that a file of the database could not be opened or created.
func isCannotOpen(err error) bool {
	return primaryCode(err) == sqlite3.SQLITE_CANTOPEN
}

// isUnavailable reports whether err is the database's own and not that of the statement.
func isUnavailable(err error) bool {
	switch primaryCode(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY,
		sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOMEM:
		return true
	}
	return errors.Is(err, errMoved) || errors.Is(err, wire.ErrDamaged)
}

// classify marks the errors that are the database's own as ErrUnavailable and passes all others unchanged.
func classify(err error) error {
	if err == nil || errors.Is(err, ErrUnavailable) || !isUnavailable(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// Advice says what the operator can do about err, "" when it is not the database's own.
func Advice(err error) string {
	if !isUnavailable(err) {
		return ""
	}
	return advise(err)
}

// advise says what the operator can do about an error that is the database's own.
func advise(err error) string {
	switch {
	case errors.Is(err, errMoved):
		return "put it back, or start the server again; what was answered before is in the file that was moved"
	case IsCorrupt(err):
		return "the file is damaged or no database: restore it from a backup, or move it away to start empty"
	case IsFull(err):
		return "the disk, or the quota, is full: free some space"
	case IsReadOnly(err), isCannotOpen(err), errors.Is(err, fs.ErrPermission):
		return "make the file and its directory writable for this user, or choose another directory"
	case IsBusy(err):
		return "another program keeps it locked: close that one"
	case primaryCode(err) == sqlite3.SQLITE_NOMEM:
		return "the machine is out of memory: give the server more"
	}
	return "the disk fails: look into the system's log; it may be broken, gone, full, or mounted read-only"
}

// extendedCode is SQLite's extended result code, 0 when err is not SQLite's.
func extendedCode(err error) int {
	var failure *sqlite.Error
	if errors.As(err, &failure) {
		return failure.Code()
	}
	return 0
}

// primaryCode is the class of err: the low byte of the extended code.
func primaryCode(err error) int {
	return extendedCode(err) & 0xff
}
