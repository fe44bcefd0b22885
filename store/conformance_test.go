package store

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"understudy/api/wire"
	"understudy/store/storetest"
)

// TestConformance runs the suite, and asks SQLite how it carries out every
// statement that the suite had it prepare.
func TestConformance(t *testing.T) {
	storetest.Exercise(t, func(t *testing.T) storetest.Store {
		db := reopen(t, Options{Dir: t.TempDir(), Durability: Normal})
		t.Cleanup(func() {
			for _, statement := range prepared(db) {
				requireIndexed(t, db, statement)
			}
		})
		return db
	})
}

// prepared lists what was asked of the database so far.
func prepared(db *DB) []string {
	all := map[string]bool{}
	for _, c := range db.connections {
		for statement := range c.statements {
			all[statement] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// wholeReads are read from end to end on purpose: the few keys, by the command
// line, and once at the start the blobs, and what waits.
var wholeReads = []string{"FROM keys ORDER BY", "SELECT blob FROM files WHERE body IS NOT NULL", "SELECT thread_id FROM thread_queue"}

// slowPlan matches a walk over a whole table and a sort of what an index could
// have given in order. Walks over runs_active see active runs only, and a
// subquery has lines of its own.
var slowPlan = regexp.MustCompile(`^SCAN (?:[^ (]+)$|^SCAN .* INDEX sqlite_autoindex|^USE TEMP B-TREE|AUTOMATIC`)

func requireIndexed(t *testing.T, db *DB, statement string) {
	t.Helper()
	verb, _, _ := strings.Cut(statement, " ")
	if !slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE"}, verb) {
		return
	}
	if slices.ContainsFunc(wholeReads, func(read string) bool { return strings.Contains(statement, read) }) {
		return
	}
	for _, line := range plan(t, db, statement) {
		require.NotRegexp(t, slowPlan, line, statement)
	}
}

// plan is how SQLite would carry a statement out, a line per table.
func plan(t *testing.T, db *DB, statement string) []string {
	t.Helper()
	parameters := map[string]bool{}
	var args []any
	for _, p := range regexp.MustCompile(`\$\d+`).FindAllString(statement, -1) {
		if !parameters[p] {
			parameters[p] = true
			args = append(args, 1)
		}
	}
	rows, err := db.Query(context.Background(), "EXPLAIN QUERY PLAN "+statement, args...)
	require.NoError(t, err, statement)
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		lines = append(lines, detail)
	}
	require.NoError(t, rows.Err())
	return lines
}

// TestPlanOfMessagesOfRun: the messages of one run must not cost the thread.
func TestPlanOfMessagesOfRun(t *testing.T) {
	db := reopen(t, Options{Dir: t.TempDir()})
	write(t, db, "INSERT INTO threads (project_id, id, body) VALUES ('p', 'thread_1', '{}')")
	for _, page := range []wire.Page{{Limit: 1}, {Limit: 1, Asc: true}} {
		_, err := db.Messages(t.Context(), "p", "thread_1", "run_1", page)
		require.NoError(t, err)
	}
	plans := map[string]int{}
	for _, statement := range prepared(db) {
		if strings.Contains(statement, "run_id = $2") {
			plans[strings.Join(plan(t, db, statement), "; ")]++
		}
	}
	require.Equal(t, map[string]int{"SEARCH messages USING INDEX messages_by_run (run_id=?)": 2}, plans)
}
