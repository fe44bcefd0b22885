package store

import (
	"context"
	"database/sql"
)

// Reader runs queries: inside a write ([Tx]), inside one snapshot ([DB.View]) or each on its own ([DB.Read]).
type Reader interface {
	// Query runs a query that answers rows. The caller closes them.
	Query(query string, args ...any) (*Rows, error)

	// QueryRow runs a query that answers at most one row. Its error, sql.ErrNoRows included, comes from Row.Scan.
	QueryRow(query string, args ...any) Row

	witness
}

// Tx is one operation inside the writer's transaction. It is valid until the function it was given to returns.
//
// As in PostgreSQL, a failed statement fails the operation: later statements are refused with the same error, and
// everything the operation did is rolled back. Where a conflict is an expected answer, write ON CONFLICT.
type Tx struct {
	session
	db        *DB
	committed []func(*DB)
}

// onCommit has f called once the transaction is committed, in the order of the operations and before any caller is
// answered. It is not called when the operation or the commit fails. f must be quick and must not use the database.
func (tx *Tx) onCommit(f func(*DB)) {
	tx.committed = append(tx.committed, f)
}

// Exec runs a statement and answers how many rows it changed.
func (tx *Tx) Exec(query string, args ...any) (int64, error) {
	if tx.failed != nil {
		return 0, tx.failed
	}
	statement, err := tx.conn.prepare(query)
	if err != nil {
		return 0, tx.fail(err)
	}
	result, err := statement.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, tx.fail(err)
	}
	return result.RowsAffected()
}

// session runs queries on one connection and remembers what has to be tidied up after them. A context that has ended
// stops it before the next query and interrupts none: to watch a context takes two goroutines a query and doubles the
// cost of a lookup, and queries are short.
type session struct {
	ctx    context.Context
	conn   *connection
	open   []*Rows
	failed error
}

// Query implements [Reader].
func (s *session) Query(query string, args ...any) (*Rows, error) {
	if s.failed != nil {
		return nil, s.failed
	}
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	statement, err := s.conn.prepare(query)
	if err != nil {
		return nil, s.fail(err)
	}
	rows, err := statement.QueryContext(context.Background(), args...)
	if err != nil {
		return nil, s.fail(err)
	}
	answer := &Rows{Rows: rows, health: s.conn.health}
	s.open = append(s.open, answer)
	return answer, nil
}

// QueryRow implements [Reader].
func (s *session) QueryRow(query string, args ...any) Row {
	rows, err := s.Query(query, args...)
	return Row{rows: rows, err: err}
}

// fail remembers the first failed statement and answers err as the caller shall see it.
func (s *session) fail(err error) error {
	err = classify(err)
	s.conn.health.failed(err)
	if s.failed == nil {
		s.failed = err
	}
	return err
}

func (s *session) damaged(err error) error { return s.conn.health.damaged(err) }

// end closes the rows the session's user left open: an open cursor would hold its snapshot and stop checkpoints.
func (s *session) end() {
	for _, rows := range s.open {
		_ = rows.Close() // What the rows had to say was said by Next and Err.
	}
}

// Rows is the answer to a query. Use it as sql.Rows: Next, Scan, Err, and always Close.
type Rows struct {
	*sql.Rows
	health  *health
	release func()
}

// Err is the error that ended the iteration, if any.
func (r *Rows) Err() error {
	err := classify(r.Rows.Err())
	r.health.failed(err)
	return err
}

func (r *Rows) damaged(err error) error { return r.health.damaged(err) }

// Close ends the query. It may be called more than once.
func (r *Rows) Close() error {
	err := r.Rows.Close()
	if r.release != nil {
		r.release()
		r.release = nil
	}
	return classify(err)
}

// Row is the answer to a query for one row. Scan must be called: it gives the connection back.
type Row struct {
	rows *Rows
	err  error
}

func (r Row) damaged(err error) error { return r.rows.damaged(err) }

// Scan copies the row's columns into dest. Without a row it answers sql.ErrNoRows.
func (r Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	return r.rows.Close()
}
