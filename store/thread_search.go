package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strings"

	"understudy/api/wire"
	"understudy/files/vectorstores/index"
	"understudy/threads"
)

// maxMatches is how many places of a thread a search shows.
const maxMatches = 3

// SearchThreads implements threads.Store.
func (db *DB) SearchThreads(ctx context.Context, project, text string, q threads.Query) (ids []string, show func(id string) (threads.Found, error), err error) {
	terms := index.Terms(text)
	if len(terms) == 0 {
		return nil, nil, nil
	}
	if err := db.indexThreads(ctx, project); err != nil {
		return nil, nil, err
	}
	seqs, places, err := db.findThreads(ctx, project, terms)
	if err != nil {
		return nil, nil, err
	}
	r := db.Read(ctx)
	ids = slices.Collect(maps.Keys(seqs))
	if len(q.Metadata) > 0 {
		if ids, err = carriers(r, project, ids, q.Metadata); err != nil {
			return nil, nil, err
		}
	}
	if ids, err = addCursors(r, project, ids, seqs, q.Page); err != nil {
		return nil, nil, err
	}
	slices.SortFunc(ids, func(a, b string) int { return cmp.Compare(seqs[a], seqs[b]) })
	wanted := func(word string) bool {
		return slices.ContainsFunc(index.Terms(word), func(term string) bool { return slices.Contains(terms, term) })
	}
	return ids, func(id string) (threads.Found, error) { return showFound(r, project, id, places[id], wanted) }, nil
}

// findThreads answers, by the ids of the threads in which all terms occur together, their sequence numbers and the
// places where that is, best first: a message's seq, or 0 for the metadata.
func (db *DB) findThreads(ctx context.Context, project string, terms []string) (seqs map[string]int64, places map[string][]int64, err error) {
	rows, err := db.Query(ctx, `SELECT t.seq, i.thread_id, m.rowid - i.number * $3 FROM message_terms m
		CROSS JOIN threads_indexed i ON i.number = m.rowid / $3 CROSS JOIN threads t ON t.id = i.thread_id
		WHERE message_terms MATCH $1 AND t.project_id = $2 AND t.body IS NOT NULL AND t.hidden_of IS NULL ORDER BY m.rank`,
		everyTerm(terms), project, threadRows)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	seqs, places = map[string]int64{}, map[string][]int64{}
	for rows.Next() {
		var id string
		var seq, place int64
		if err := rows.Scan(&seq, &id, &place); err != nil {
			return nil, nil, err
		}
		seqs[id] = seq
		places[id] = append(places[id], place)
	}
	return seqs, places, rows.Err()
}

// addCursors adds the threads that a page begins or ends at, found or not: one that was deleted or has changed since it
// was shown keeps its place among the others.
func addCursors(r Reader, project string, ids []string, seqs map[string]int64, page wire.Page) ([]string, error) {
	for _, cursor := range []string{page.After, page.Before} {
		if cursor == "" || slices.Contains(ids, cursor) {
			continue
		}
		var seq int64
		err := r.QueryRow("SELECT seq FROM threads WHERE project_id = $1 AND id = $2", project, cursor).Scan(&seq)
		if errors.Is(err, sql.ErrNoRows) { // it is refused when the page is made
			continue
		}
		if err != nil {
			return nil, err
		}
		seqs[cursor] = seq
		ids = append(ids, cursor)
	}
	return ids, nil
}

// everyTerm is the full-text expression that finds all of the terms together.
func everyTerm(terms []string) string {
	return strings.ReplaceAll(anyTerm(terms), `" OR "`, `" AND "`)
}

// carriers are those of the threads that carry the metadata.
func carriers(r Reader, project string, ids []string, carrying wire.Metadata) ([]string, error) {
	var kept []string
	for _, id := range ids {
		body, err := threadsTable.read(r, project, id)
		if errors.Is(err, wire.ErrNotFound) { // deleted since it was found
			continue
		}
		if err != nil {
			return nil, err
		}
		ok, err := carries(r, body, carrying)
		if err != nil {
			return nil, err
		}
		if ok {
			kept = append(kept, id)
		}
	}
	return kept, nil
}

// showFound reads a thread that was found and the text at its best places.
func showFound(r Reader, project, id string, places []int64, wanted func(string) bool) (threads.Found, error) {
	body, err := threadsTable.read(r, project, id)
	if err != nil {
		return threads.Found{}, err
	}
	found := threads.Found{Thread: body, Matches: []threads.Match{}}
	for _, place := range places[:min(len(places), maxMatches)] {
		var match threads.Match
		text, err := metadataText(r, body)
		if err != nil {
			return found, err
		}
		if place > 0 {
			raw, err := readBody(r, "SELECT body FROM messages WHERE thread_id = $1 AND seq = $2", id, place)
			if err != nil || raw == nil { // deleted since it was found
				continue
			}
			var m threads.Message
			if err := decode(r, raw, &m); err != nil {
				return found, err
			}
			match.MessageID, text = &m.ID, m.Text()
		}
		match.Snippet = threads.Snippet(text, wanted)
		found.Matches = append(found.Matches, match)
	}
	return found, nil
}
