package store

import (
	"database/sql"
	"errors"
	"slices"
	"strconv"

	"understudy/api/wire"
)

// listing is a list that can be paged: the rows of a table that its condition
// selects, in the order of seq. The condition's arguments are $1…$n.
type listing struct {
	table string
	where string
	args  []any
}

// live is a listing of rows that are not deleted.
func (l listing) live() listing {
	l.where += " AND body IS NOT NULL"
	return l
}

// page reads one page. Cursors are resolved among all rows of the listing,
// deleted ones included, and filter narrows what is shown.
func (l listing) page(r Reader, p wire.Page, shown listing) (wire.List, error) {
	query, args := "SELECT id, body FROM "+shown.table+" WHERE "+shown.where, slices.Clone(shown.args)
	forward := p.Asc
	for _, cursor := range []struct {
		param, id string
		behind    bool // the page lies behind the cursor in the requested order
	}{{"after", p.After, true}, {"before", p.Before, false}} {
		if cursor.id == "" {
			continue
		}
		seq, err := l.cursor(r, cursor.param, cursor.id)
		if err != nil {
			return wire.List{}, err
		}
		args = append(args, seq)
		query += " AND seq " + comparison(cursor.behind == p.Asc) + " $" + strconv.Itoa(len(args))
	}
	// Before alone means the rows nearest to the cursor: read away from it.
	backward := p.Before != "" && p.After == ""
	if backward {
		forward = !forward
	}
	args = append(args, p.Limit+1)
	query += " ORDER BY seq" + direction(forward) + " LIMIT $" + strconv.Itoa(len(args))
	items, err := readItems(r, query, args...)
	if err != nil {
		return wire.List{}, err
	}
	list := wire.List{Items: items[:min(len(items), p.Limit)], HasMore: len(items) > p.Limit}
	if backward {
		slices.Reverse(list.Items)
	}
	return list, nil
}

// cursor finds the place of an object. One that was taken out of the list and
// came back has two, of which the later counts.
func (l listing) cursor(r Reader, param, id string) (seq int64, err error) {
	args := append(slices.Clone(l.args), id)
	err = r.QueryRow("SELECT seq FROM "+l.table+" WHERE "+l.where+" AND id = $"+strconv.Itoa(len(args))+" ORDER BY seq DESC LIMIT 1", args...).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, wire.UnknownCursor(param, id)
	}
	return seq, err
}

func comparison(greater bool) string {
	if greater {
		return ">"
	}
	return "<"
}

func direction(ascending bool) string {
	if ascending {
		return ""
	}
	return " DESC"
}

func readItems(r Reader, query string, args ...any) ([]wire.Item, error) {
	rows, err := r.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var items []wire.Item
	for rows.Next() {
		var item wire.Item
		var body []byte
		if err := rows.Scan(&item.ID, &body); err != nil {
			return nil, err
		}
		item.JSON = body
		items = append(items, item)
	}
	return items, rows.Err()
}
