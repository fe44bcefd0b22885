package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"understudy/api/wire"
	"understudy/files"
	"understudy/files/uploads"
)

// CreateUpload implements uploads.Store.
func (db *DB) CreateUpload(ctx context.Context, project string, u *uploads.Upload, expiresAfter int) (json.RawMessage, error) {
	body, err := wire.Marshal(u)
	if err != nil {
		return nil, err
	}
	return body, db.change(ctx, &body, func(_ context.Context, tx *Tx) error {
		_, err := tx.Exec("INSERT INTO uploads (id, project_id, pending, expires_at, expires_after, body) VALUES ($1, $2, 1, $3, $4, $5)",
			u.ID, project, u.ExpiresAt, expiresAfter, string(body))
		return taken(err, u.ID)
	})
}

// Upload implements uploads.Store.
func (db *DB) Upload(ctx context.Context, project, id string) (r uploads.Record, err error) {
	err = db.View(ctx, func(view Reader) error {
		r, err = readUpload(view, project, id)
		return err
	})
	return r, err
}

func readUpload(r Reader, project, id string) (record uploads.Record, err error) {
	record.Upload = &uploads.Upload{}
	var body []byte
	if err := r.QueryRow("SELECT expires_after, body FROM uploads WHERE id = $1 AND project_id = $2", id, project).Scan(&record.ExpiresAfter, &body); err != nil {
		return record, notFound(err)
	}
	if err := decode(r, body, record.Upload); err != nil {
		return record, fmt.Errorf("decode %s: %w", id, err)
	}
	record.Parts, err = readParts(r, id)
	return record, err
}

func readParts(r Reader, uploadID string) ([]uploads.StoredPart, error) {
	rows, err := r.Query("SELECT id, blob, size FROM upload_parts WHERE upload_id = $1", uploadID)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var parts []uploads.StoredPart
	for rows.Next() {
		var p uploads.StoredPart
		if err := rows.Scan(&p.ID, &p.Blob, &p.Size); err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	return parts, rows.Err()
}

// AddPart implements uploads.Store.
func (db *DB) AddPart(ctx context.Context, project string, p *uploads.Part, at uploads.StoredPart, decide func(*uploads.Upload) error) (json.RawMessage, error) {
	body, err := wire.Marshal(p)
	if err != nil {
		return nil, err
	}
	return body, db.change(ctx, &body, func(_ context.Context, tx *Tx) error {
		record, err := readUpload(tx, project, p.UploadID)
		if err != nil {
			return err
		}
		if err := decide(record.Upload); err != nil {
			return err
		}
		_, err = tx.Exec("INSERT INTO upload_parts (id, project_id, upload_id, blob, size) VALUES ($1, $2, $3, $4, $5)",
			at.ID, project, p.UploadID, at.Blob, at.Size)
		return err
	})
}

// SettleUpload implements uploads.Store.
func (db *DB) SettleUpload(ctx context.Context, project, id string, settle func(*uploads.Upload) error, file *files.File, blob string) (body json.RawMessage, freed []string, err error) {
	err = db.change(ctx, &body, func(_ context.Context, tx *Tx) error {
		record, err := readUpload(tx, project, id)
		if err != nil {
			return err
		}
		if err := settle(record.Upload); err != nil {
			return err
		}
		if body, freed, err = settleUpload(tx, record); err != nil || file == nil {
			return err
		}
		shown, err := wire.Marshal(file)
		if err != nil {
			return err
		}
		return insertFile(tx, project, file, blob, shown)
	})
	if err != nil {
		return nil, nil, err
	}
	return body, freed, nil
}

// settleUpload stores an upload in its final state and drops its parts, whose
// blobs it answers.
func settleUpload(tx *Tx, r uploads.Record) (body json.RawMessage, freed []string, err error) {
	if body, err = wire.Marshal(r.Upload); err != nil {
		return nil, nil, err
	}
	if _, err := tx.Exec("UPDATE uploads SET pending = 0, body = $1 WHERE id = $2", string(body), r.Upload.ID); err != nil {
		return nil, nil, err
	}
	for _, p := range r.Parts {
		freed = append(freed, p.Blob)
	}
	_, err = tx.Exec("DELETE FROM upload_parts WHERE upload_id = $1", r.Upload.ID)
	return body, freed, err
}

// OverdueUploads implements uploads.Store.
func (db *DB) OverdueUploads(ctx context.Context, now time.Time) ([]uploads.Ref, error) {
	rows, err := db.Query(ctx, "SELECT project_id, id FROM uploads WHERE pending = 1 AND expires_at <= $1", now.Unix())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var overdue []uploads.Ref
	for rows.Next() {
		var ref uploads.Ref
		if err := rows.Scan(&ref.Project, &ref.ID); err != nil {
			return nil, err
		}
		overdue = append(overdue, ref)
	}
	return overdue, rows.Err()
}
