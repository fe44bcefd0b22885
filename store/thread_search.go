package store

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"understudy/api/wire"
	"understudy/files/vectorstores/index"
	"understudy/threads"
)

// maxMatches is how many places of a thread a search shows.
const maxMatches = 3

// SearchThreads implements threads.Store.
func (db *DB) SearchThreads(ctx context.Context, project, text string, carrying wire.Metadata) (ids []string, show func(id string) (threads.Found, error), err error) {
	terms := index.Terms(text)
	if len(terms) == 0 {
		return nil, nil, nil
	}
	if err := db.indexThreads(ctx, project); err != nil {
		return nil, nil, err
	}
	// The places of each thread, best first: a message's seq, or 0 for the metadata.
	places := map[string][]int64{}
	rows, err := db.Query(ctx, `SELECT i.thread_id, m.rowid - i.number * $3 FROM message_terms m
		CROSS JOIN threads_indexed i ON i.number = m.rowid / $3 CROSS JOIN threads t ON t.id = i.thread_id
		WHERE message_terms MATCH $1 AND t.project_id = $2 AND t.body IS NOT NULL AND t.hidden_of IS NULL ORDER BY m.rank`,
		everyTerm(terms), project, threadRows)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var place int64
		if err := rows.Scan(&id, &place); err != nil {
			return nil, nil, err
		}
		if places[id] == nil {
			ids = append(ids, id)
		}
		places[id] = append(places[id], place)
	}
	if err := rows.Err(); err != nil {
		return nil, nil, err
	}
	_ = rows.Close()
	r := db.Read(ctx)
	if len(carrying) > 0 {
		if ids, err = carriers(r, project, ids, carrying); err != nil {
			return nil, nil, err
		}
	}
	wanted := func(word string) bool {
		return slices.ContainsFunc(index.Terms(word), func(term string) bool { return slices.Contains(terms, term) })
	}
	return ids, func(id string) (threads.Found, error) { return showFound(r, project, id, places[id], wanted) }, nil
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
		ok, err := carries(body, carrying)
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
		text, err := metadataText(body)
		if err != nil {
			return found, err
		}
		if place > 0 {
			raw, err := readBody(r, "SELECT body FROM messages WHERE thread_id = $1 AND seq = $2", id, place)
			if err != nil || raw == nil { // deleted since it was found
				continue
			}
			var m threads.Message
			if err := json.Unmarshal(raw, &m); err != nil {
				return found, err
			}
			match.MessageID, text = &m.ID, m.Text()
		}
		match.Snippet = threads.Snippet(text, wanted)
		found.Matches = append(found.Matches, match)
	}
	return found, nil
}
