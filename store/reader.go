package store

import (
	"context"
	"fmt"
)

// readers are connections that cannot write, handed from caller to caller.
type readers struct {
	idle    chan *connection
	closing chan struct{}
}

func newReaders(conns []*connection) *readers {
	r := &readers{idle: make(chan *connection, len(conns)), closing: make(chan struct{})}
	for _, conn := range conns {
		r.idle <- conn
	}
	return r
}

// acquire waits for an idle connection.
func (r *readers) acquire(ctx context.Context) (*connection, error) {
	select {
	case <-r.closing:
		return nil, ErrClosed
	default:
	}
	select {
	case conn := <-r.idle:
		return conn, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-r.closing:
		return nil, ErrClosed
	}
}

func (r *readers) release(conn *connection) {
	r.idle <- conn
}

// close refuses new reads and waits for those that run.
func (r *readers) close() {
	close(r.closing)
	for range cap(r.idle) {
		<-r.idle
	}
}

// Query runs a query that answers rows. The caller closes them: until then they occupy one of the few readers, so read
// them to their end first and work on them later.
func (db *DB) Query(ctx context.Context, query string, args ...any) (*Rows, error) {
	conn, err := db.readers.acquire(ctx)
	if err != nil {
		return nil, err
	}
	reading := session{ctx: ctx, conn: conn}
	rows, err := reading.Query(query, args...)
	if err != nil {
		db.readers.release(conn)
		return nil, err
	}
	rows.release = func() { db.readers.release(conn) }
	return rows, nil
}

// QueryRow runs a query that answers at most one row. Its error, sql.ErrNoRows included, comes from Row.Scan.
func (db *DB) QueryRow(ctx context.Context, query string, args ...any) Row {
	rows, err := db.Query(ctx, query, args...)
	return Row{rows: rows, err: err}
}

// Read is a Reader whose every query runs on its own, on whichever reader is idle.
func (db *DB) Read(ctx context.Context) Reader {
	return reads{db: db, ctx: ctx}
}

type reads struct {
	db  *DB
	ctx context.Context
}

func (r reads) Query(query string, args ...any) (*Rows, error) {
	return r.db.Query(r.ctx, query, args...)
}

func (r reads) QueryRow(query string, args ...any) Row {
	return r.db.QueryRow(r.ctx, query, args...)
}

func (r reads) damaged(err error) error { return r.db.writer.health.damaged(err) }

// View runs several reads on one consistent snapshot, the state at the first of them. Keep it short: the write-ahead
// log cannot be reused while a view is open.
func (db *DB) View(ctx context.Context, fn func(Reader) error) (err error) {
	conn, err := db.readers.acquire(ctx)
	if err != nil {
		return err
	}
	defer db.readers.release(conn)
	if err := conn.exec("BEGIN DEFERRED"); err != nil {
		return err
	}
	view := &session{ctx: ctx, conn: conn}
	defer func() {
		view.end()
		if ended := conn.exec("ROLLBACK"); ended != nil && err == nil {
			err = fmt.Errorf("end the view: %w", ended)
		}
	}()
	return fn(view)
}
