package store

import (
	"context"
	"math"
	"regexp"
	"slices"

	"understudy/api/wire"
)

// fileID finds the ids of files in the JSON of an object.
var fileID = regexp.MustCompile(`"(file-[A-Za-z0-9_-]+)"`)

// unusedFiles reads one page of the files that nothing of the project names. It
// looks through everything the project has: it is for tidying up, not for every
// day.
func (db *DB) unusedFiles(ctx context.Context, project string, page wire.Page, all, shown listing) (list wire.List, err error) {
	limit := page.Limit
	page.Limit = math.MaxInt32
	err = db.View(ctx, func(r Reader) error {
		used, err := usedFiles(r, project)
		if err != nil {
			return err
		}
		list, err = all.page(r, page, shown)
		list.Items = slices.DeleteFunc(list.Items, func(file wire.Item) bool { return used[file.ID] })
		return err
	})
	if err != nil {
		return wire.List{}, err
	}
	if list.HasMore = len(list.Items) > limit; list.HasMore {
		list.Items = nearest(list.Items, limit, page)
	}
	return list, nil
}

// nearest cuts a list that is too long to the items next to the page's cursor.
func nearest(items []wire.Item, limit int, page wire.Page) []wire.Item {
	if page.Before != "" && page.After == "" {
		return items[len(items)-limit:]
	}
	return items[:limit]
}

// usedFiles are the ids of files that an object of the project names.
func usedFiles(r Reader, project string) (map[string]bool, error) {
	used := map[string]bool{}
	attached, err := readStrings(r, `SELECT f.id FROM vector_store_files f JOIN vector_stores s ON s.id = f.store_id
		WHERE f.project_id = $1 AND f.body IS NOT NULL AND s.body IS NOT NULL`, project)
	if err != nil {
		return nil, err
	}
	for _, id := range attached {
		used[id] = true
	}
	for _, table := range []table{assistantsTable, threadsTable, messagesTable, queueTable, versionsTable} {
		rows, err := r.Query("SELECT body FROM "+string(table)+" WHERE project_id = $1 AND body LIKE '%\"file-%'", project)
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			var body []byte
			if err := rows.Scan(&body); err != nil {
				return nil, err
			}
			for _, found := range fileID.FindAllSubmatch(body, -1) {
				used[string(found[1])] = true
			}
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
		_ = rows.Close()
	}
	return used, nil
}
