package store

import (
	"context"
	"log/slog"

	"modernc.org/sqlite"
)

const (
	// checkpointPages is how much is written to the write-ahead log, in pages of 4 KiB, between two checkpoints.
	checkpointPages = 1000

	// restartPages is the length of the log beyond which the checkpointer makes the writer wait for readers, so that
	// the log starts over. Ordinary checkpoints keep it far below.
	restartPages = 8192

	// restartWait is how long, in milliseconds, the writer then waits at most.
	restartWait = "100"
)

// checkpointer copies the write-ahead log back into the database, beside the writer. It sleeps until something was
// written.
//
// A checkpoint that runs beside a busy writer never catches up with it, and a log that was not copied to its end cannot
// start over: it would grow without bound. A checkpoint inside the writer does catch up, but everyone waits for all of
// it. So there are two: a long one beside the writer, then a short one, for the little that was written meanwhile,
// while the writer holds still.
type checkpointer struct {
	conn    *connection
	baton   chan struct{} // the writer's: holding it stops writing
	logger  *slog.Logger
	pending int // pages written since the last wake-up; belongs to the baton
	limit   int // log length, in pages, above which a restart is tried
	wake    chan struct{}
	stopped chan struct{}
}

// startCheckpointer starts the checkpointer on a connection of its own.
func startCheckpointer(conn *connection, baton chan struct{}, logger *slog.Logger) (*checkpointer, error) {
	if _, err := conn.conn.ExecContext(context.Background(), "PRAGMA busy_timeout = "+restartWait); err != nil {
		return nil, classify(err)
	}
	c := &checkpointer{
		conn:    conn,
		baton:   baton,
		logger:  logger,
		limit:   restartPages,
		wake:    make(chan struct{}, 1),
		stopped: make(chan struct{}),
	}
	go c.run()
	return c, nil
}

// wrote counts pages and wakes the checkpointer when there are enough of them. The caller holds the baton.
func (c *checkpointer) wrote(pages int) {
	c.pending += pages
	if c.pending < checkpointPages {
		return
	}
	c.pending = 0
	select {
	case c.wake <- struct{}{}:
	default: // It is at work and will look again when it is done.
	}
}

// run checkpoints until stop.
func (c *checkpointer) run() {
	defer close(c.stopped)
	for range c.wake {
		if err := c.checkpoint(); err != nil {
			c.logger.Warn("checkpoint failed; the write-ahead log grows until one succeeds", "error", err)
		}
	}
}

// stop ends the checkpointer after the checkpoint it may be in. Nobody may write any more.
func (c *checkpointer) stop() {
	close(c.wake)
	<-c.stopped
}

func (c *checkpointer) checkpoint() error {
	if _, err := c.pragma("PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
		return err
	}
	c.baton <- struct{}{}
	defer func() { <-c.baton }()
	rest, err := c.pragma("PRAGMA wal_checkpoint(PASSIVE)")
	if err != nil || rest.length < c.limit {
		return err
	}
	restart, err := c.pragma("PRAGMA wal_checkpoint(RESTART)")
	c.limit = restartPages
	if restart.blocked {
		// A view that stays open blocks every restart: the writer shall not be made to wait for it again at once.
		c.limit += restart.length
	}
	return err
}

// outcome is what a checkpoint reports.
type outcome struct {
	blocked bool // by readers
	length  int  // of the log, in pages
	copied  int  // pages of the log that are in the database
}

func (c *checkpointer) pragma(query string) (outcome, error) {
	var o outcome
	reading := session{ctx: context.Background(), conn: c.conn}
	err := reading.QueryRow(query).Scan(&o.blocked, &o.length, &o.copied)
	return o, err
}

// pagesWritten answers how many pages this connection wrote to the log since the last call.
func (c *connection) pagesWritten() int {
	pages := 0
	_ = c.conn.Raw(func(driver any) (err error) {
		pages, _, err = driver.(sqlite.DBStatus).Status(sqlite.DBStatusCacheWrite, true)
		return err
	})
	return pages
}
