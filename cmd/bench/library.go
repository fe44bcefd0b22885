package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// library is a data directory with a million messages. Threads are named by
// how many messages they were made with.
type library struct {
	dir     string
	threads map[int][]libraryThread
}

type libraryThread struct {
	id    string
	first string // id of the first message
}

// message is the id of a message, counted from 1.
func (t libraryThread) message(n int) string {
	if n == 1 {
		return t.first
	}
	return fmt.Sprintf("%s%010d", t.first[:len(t.first)-10], n)
}

// shelf holds threads of one length.
type shelf struct{ length, threads int }

// stock is how many threads there are of each length: a million messages in all.
var stock = []shelf{{100_000, 1}, {10_000, 40}, {1_000, 470}, {100, 300}}

// visited are the threads of 100 messages that flows may make longer, and
// untouched is one that they leave as it is.
func (l *library) visited() []libraryThread { return l.threads[100][1:] }
func (l *library) untouched() libraryThread { return l.threads[100][0] }

// newLibrary makes threads with one message through the API, and copies the
// messages in the database itself: over the API it would take minutes.
func (b *bench) newLibrary(ctx context.Context) (*library, error) {
	l := &library{dir: b.folder("library"), threads: map[int][]libraryThread{}}
	server, err := b.launch(ctx, nil, "normal", l.dir)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(l.stockUp(server), server.stop()); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(l.dir, databaseFile)+"?_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)&_pragma=cache_size(-262144)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return l, errors.Join(l.copyMessages(ctx, db), db.Close(), toDisk(filepath.Join(l.dir, databaseFile)))
}

// toDisk waits until a file is on disk: writing it would disturb what is
// measured next.
func toDisk(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// stockUp makes every thread with its first message, of 500 bytes.
func (l *library) stockUp(server *server) error {
	c, err := newConn(server.base)
	if err != nil {
		return err
	}
	defer c.close()
	text := strings.Repeat("The quick brown fox jumps over a dog. ", 13)
	for _, s := range stock {
		for range s.threads {
			id, err := c.create("/threads", "{}")
			if err != nil {
				return err
			}
			first, err := c.create("/threads/"+id+"/messages", `{"role":"user","content":"`+text+`"}`)
			if err != nil {
				return err
			}
			l.threads[s.length] = append(l.threads[s.length], libraryThread{id, first})
		}
	}
	return nil
}

// copyMessages makes the threads as long as they should be. It names no column
// but those whose values differ between the messages of a thread.
func (l *library) copyMessages(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, "SELECT name FROM pragma_table_info('messages')")
	if err != nil {
		return err
	}
	defer rows.Close()
	var columns, values []string
	for rows.Next() {
		var column string
		if err := rows.Scan(&column); err != nil {
			return err
		}
		columns = append(columns, column)
		values = append(values, column)
		switch last := len(values) - 1; column {
		case "seq":
			values[last] = "n"
		case "id":
			values[last] = copyID
		case "body":
			values[last] = "replace(body, id, " + copyID + ")"
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	insert := fmt.Sprintf( //nolint:gosec // columns of our own
		`WITH RECURSIVE numbers (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n < $2)
		INSERT INTO messages (%s) SELECT %s FROM numbers, messages WHERE thread_id = $1 AND seq = 1`,
		strings.Join(columns, ", "), strings.Join(values, ", "))
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, s := range stock {
		for _, t := range l.threads[s.length] {
			if _, err := tx.ExecContext(ctx, insert, t.id, s.length); err != nil {
				return errors.Join(err, tx.Rollback())
			}
		}
	}
	return tx.Commit()
}

// copyID is what libraryThread.message calls the n-th message.
const copyID = "substr(id, 1, length(id) - 10) || printf('%010d', n)"

// visit serves the library for as long as work takes.
func (b *bench) visit(ctx context.Context, work func(*library, *server) ([][]float64, error)) ([][]float64, error) {
	l, err := b.library()
	if err != nil {
		return nil, err
	}
	s, err := b.launch(ctx, nil, "full", l.dir)
	if err != nil {
		return nil, err
	}
	if err := s.hire(); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	values, err := work(l, s)
	return values, errors.Join(err, s.stop())
}

// A server's files.
const databaseFile = "understudy.db"

// logSize is the size of a database's write-ahead log, in bytes; 0 when there is none.
func logSize(data string) (int64, error) {
	log, err := os.Stat(filepath.Join(data, databaseFile+"-wal"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	return log.Size(), nil
}
