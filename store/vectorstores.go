package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"understudy/api/wire"
	"understudy/files/vectorstores"
)

// CreateVectorStore implements vectorstores.Store.
func (db *DB) CreateVectorStore(ctx context.Context, project string, n vectorstores.New) (body json.RawMessage, err error) {
	err = db.change(ctx, &body, func(_ context.Context, tx *Tx) error {
		body, err = insertVectorStore(tx, project, n)
		return err
	})
	return body, err
}

// insertVectorStore adds a store with its first files, which it has counted.
func insertVectorStore(tx *Tx, project string, n vectorstores.New) (json.RawMessage, error) {
	body, err := wire.Marshal(n.Store)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec("INSERT INTO vector_stores (project_id, id, expires_at, body) VALUES ($1, $2, $3, $4)", project, n.Store.ID, n.Store.ExpiresAt, string(body))
	if err != nil {
		return nil, taken(err, n.Store.ID)
	}
	for _, f := range n.Files {
		if _, err := insertStoreFile(tx, project, f.Build(n.Store.ID, n.Store.CreatedAt), nil); err != nil {
			return nil, err
		}
	}
	return body, nil
}

// VectorStore implements vectorstores.Store.
func (db *DB) VectorStore(ctx context.Context, project, id string) (json.RawMessage, error) {
	return vectorStoresTable.read(db.Read(ctx), project, id)
}

// VectorStores implements vectorstores.Store.
func (db *DB) VectorStores(ctx context.Context, project string, page wire.Page) (wire.List, error) {
	all := listing{table: "vector_stores", where: "project_id = $1", args: []any{project}}
	return all.page(db.Read(ctx), page, all.live())
}

// UpdateVectorStore implements vectorstores.Store.
func (db *DB) UpdateVectorStore(ctx context.Context, project, id string, change func(*vectorstores.VectorStore) error) (body json.RawMessage, err error) {
	err = db.change(ctx, &body, func(_ context.Context, tx *Tx) error {
		if body, err = vectorStoresTable.read(tx, project, id); err != nil {
			return err
		}
		body, err = rewriteVectorStore(tx, id, body, change)
		return err
	})
	return body, err
}

// changeVectorStore changes a store whose project is known.
func changeVectorStore(tx *Tx, id string, change func(*vectorstores.VectorStore) error) error {
	body, err := readBody(tx, "SELECT body FROM vector_stores WHERE id = $1 AND body IS NOT NULL", id)
	if err != nil {
		return err
	}
	_, err = rewriteVectorStore(tx, id, body, change)
	return err
}

// rewriteVectorStore is rewrite for a store: its expiry is a column as well, and the change may be refused.
func rewriteVectorStore(tx *Tx, id string, body json.RawMessage, change func(*vectorstores.VectorStore) error) (json.RawMessage, error) {
	var v vectorstores.VectorStore
	if err := decode(tx, body, &v); err != nil {
		return nil, fmt.Errorf("decode %s: %w", id, err)
	}
	if err := change(&v); err != nil {
		return nil, err
	}
	body, err := wire.Marshal(&v)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec("UPDATE vector_stores SET body = $1, expires_at = $2 WHERE id = $3", string(body), v.ExpiresAt, id)
	return body, err
}

// requireUsable answers wire.ErrNotFound unless the project has the store, and
// the API's refusal when it has expired.
func requireUsable(r Reader, project, id string) error {
	var gone int
	err := r.QueryRow("SELECT gone FROM vector_stores WHERE id = $1 AND project_id = $2 AND body IS NOT NULL", id, project).Scan(&gone)
	if err = notFound(err); err == nil && gone != 0 {
		return vectorstores.HasExpired(id)
	}
	return err
}

// DeleteVectorStore implements vectorstores.Store. Its chunks are found no more
// from here on.
func (db *DB) DeleteVectorStore(ctx context.Context, project, id string) error {
	return db.Write(ctx, func(_ context.Context, tx *Tx) error {
		if err := vectorStoresTable.remove(tx, project, id); err != nil {
			return err
		}
		if _, err := tx.Exec("UPDATE vector_stores SET gone = 1, expires_at = NULL WHERE id = $1", id); err != nil {
			return err
		}
		return dropStoreChunks(tx, id)
	})
}

// MissingVectorStore implements vectorstores.Store.
func (db *DB) MissingVectorStore(ctx context.Context, project string, ids []string) (string, error) {
	r := db.Read(ctx)
	for _, id := range ids {
		if _, err := vectorStoresTable.read(r, project, id); errors.Is(err, wire.ErrNotFound) {
			return id, nil
		} else if err != nil {
			return "", err
		}
	}
	return "", nil
}

// expireBatch is how many stores end in one transaction.
const expireBatch = 100

// ExpireVectorStores implements vectorstores.Store.
func (db *DB) ExpireVectorStores(ctx context.Context, now time.Time) (ended bool, err error) {
	const due = "SELECT id FROM vector_stores WHERE expires_at IS NOT NULL AND gone = 0 AND expires_at <= $1 LIMIT $2"
	for {
		ids, err := readStrings(db.Read(ctx), due, now.Unix(), expireBatch)
		if err != nil || len(ids) == 0 {
			return ended, err
		}
		ended = true
		err = db.Write(ctx, func(_ context.Context, tx *Tx) error {
			if ids, err = readStrings(tx, due, now.Unix(), expireBatch); err != nil {
				return err
			}
			for _, id := range ids {
				if err := expireVectorStore(tx, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return ended, err
		}
	}
}

func expireVectorStore(tx *Tx, id string) error {
	if err := changeVectorStore(tx, id, func(v *vectorstores.VectorStore) error { v.Expire(); return nil }); err != nil {
		return err
	}
	if _, err := tx.Exec("UPDATE vector_stores SET gone = 2 WHERE id = $1", id); err != nil {
		return err
	}
	return dropStoreChunks(tx, id)
}

// storePurges remove a batch each of what a deleted store held.
var storePurges = []string{
	"DELETE FROM vector_store_files WHERE seq IN (SELECT seq FROM vector_store_files WHERE store_id = $1 LIMIT $2)",
	"DELETE FROM vector_store_batch_files WHERE (batch_id, file_id) IN (SELECT batch_id, file_id FROM vector_store_batch_files WHERE store_id = $1 LIMIT $2)",
	"DELETE FROM vector_store_batches WHERE seq IN (SELECT seq FROM vector_store_batches WHERE store_id = $1 LIMIT $2)",
}

// PurgeVectorStores implements vectorstores.Store.
func (db *DB) PurgeVectorStores(ctx context.Context) error {
	ids, err := readStrings(db.Read(ctx), "SELECT id FROM vector_stores WHERE gone = 1")
	if err != nil {
		return err
	}
	for _, id := range ids {
		for _, purge := range storePurges {
			if err := db.purgeAll(ctx, purge, id); err != nil {
				return err
			}
		}
		err := db.Write(ctx, func(_ context.Context, tx *Tx) error {
			_, err := tx.Exec("UPDATE vector_stores SET gone = 2 WHERE id = $1", id)
			return err
		})
		if err != nil {
			return err
		}
	}
	return db.PurgeChunks(ctx)
}

// purgeAll carries out a deletion batch by batch until nothing is left.
func (db *DB) purgeAll(ctx context.Context, purge, id string) error {
	for n := int64(purgeBatch); n == purgeBatch; {
		err := db.Write(ctx, func(_ context.Context, tx *Tx) (err error) {
			n, err = tx.Exec(purge, id, purgeBatch)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Embedding implements vectorstores.Store.
func (db *DB) Embedding(ctx context.Context, storeID string) (vectorstores.Embedding, error) {
	return embeddingOf(db.Read(ctx), storeID)
}

func embeddingOf(r Reader, storeID string) (of vectorstores.Embedding, err error) {
	err = r.QueryRow("SELECT embedding, dimensions FROM vector_stores WHERE id = $1", storeID).Scan(&of.Model, &of.Dimensions)
	return of, notFound(err)
}
