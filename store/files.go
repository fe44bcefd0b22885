package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"understudy/api/wire"
	"understudy/files"
)

// CreateFile implements files.Store.
func (db *DB) CreateFile(ctx context.Context, project string, f *files.File, blob string) (json.RawMessage, error) {
	body, err := wire.Marshal(f)
	if err != nil {
		return nil, err
	}
	return body, db.change(ctx, &body, func(_ context.Context, tx *Tx) error {
		return insertFile(tx, project, f, blob, body)
	})
}

func insertFile(tx *Tx, project string, f *files.File, blob string, body json.RawMessage) error {
	_, err := tx.Exec("INSERT INTO files (project_id, id, purpose, expires_at, blob, body) VALUES ($1, $2, $3, $4, $5, $6)",
		project, f.ID, f.Purpose, f.ExpiresAt, blob, string(body))
	return taken(err, f.ID)
}

// File implements files.Store.
func (db *DB) File(ctx context.Context, project, id string) (json.RawMessage, string, error) {
	var body []byte
	var blob string
	err := db.QueryRow(ctx, "SELECT body, blob FROM files WHERE id = $1 AND project_id = $2 AND body IS NOT NULL", id, project).Scan(&body, &blob)
	return body, blob, notFound(err)
}

// DeleteFile implements files.Store.
func (db *DB) DeleteFile(ctx context.Context, project, id string) (blob string, err error) {
	return db.removeFile(ctx, "id = $1 AND project_id = $2", id, project)
}

// removeFile deletes the file that a condition selects. The stores it is in
// lose it before, in pieces, the last along with the file.
func (db *DB) removeFile(ctx context.Context, where string, args ...any) (blob string, err error) {
	for more := true; more; {
		err = db.Write(ctx, func(_ context.Context, tx *Tx) error {
			var id string
			row := tx.QueryRow("SELECT id, blob FROM files WHERE "+where+" AND body IS NOT NULL", args...)
			if err := row.Scan(&id, &blob); err != nil {
				return notFound(err)
			}
			if more, err = detachEverywhere(tx, id); err != nil || more {
				return err
			}
			_, err := tx.Exec("UPDATE files SET body = NULL WHERE id = $1", id)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return blob, nil
}

// Files implements files.Store.
func (db *DB) Files(ctx context.Context, project string, q files.Query) (wire.List, error) {
	all := listing{table: "files", where: "project_id = $1", args: []any{project}}
	shown := all
	if q.Purpose != "" {
		shown = listing{table: "files", where: "project_id = $1 AND purpose = $2", args: []any{project, q.Purpose}}
	}
	if q.Unused {
		return db.unusedFiles(ctx, project, q.Page, all, shown.live())
	}
	return all.page(db.Read(ctx), q.Page, shown.live())
}

// MissingFile implements files.Store.
func (db *DB) MissingFile(ctx context.Context, project string, ids []string) (string, error) {
	r := db.Read(ctx)
	for _, id := range ids {
		var found int
		err := r.QueryRow("SELECT COUNT(*) FROM files WHERE id = $1 AND project_id = $2 AND body IS NOT NULL", id, project).Scan(&found)
		if err != nil {
			return "", err
		}
		if found == 0 {
			return id, nil
		}
	}
	return "", nil
}

// ExpireFiles implements files.Store.
func (db *DB) ExpireFiles(ctx context.Context, now time.Time) (blobs []string, err error) {
	const expired = "expires_at IS NOT NULL AND expires_at <= $1"
	ids, err := readStrings(db.Read(ctx), "SELECT id FROM files WHERE "+expired+" AND body IS NOT NULL", now.Unix())
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		blob, err := db.removeFile(ctx, expired+" AND id = $2", now.Unix(), id)
		if errors.Is(err, wire.ErrNotFound) { // somebody deleted it meanwhile
			continue
		}
		if err != nil {
			return blobs, err
		}
		blobs = append(blobs, blob)
	}
	return blobs, nil
}

// Blobs implements files.Store.
func (db *DB) Blobs(ctx context.Context) ([]string, error) {
	return readStrings(db.Read(ctx), "SELECT blob FROM files WHERE body IS NOT NULL UNION ALL SELECT blob FROM upload_parts")
}

// readStrings reads a column of texts.
func readStrings(r Reader, query string, args ...any) ([]string, error) {
	rows, err := r.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var texts []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, rows.Err()
}
