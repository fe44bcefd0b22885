-- gone: 0 = in use; 1 = deleted, and what it held has yet to be removed; 2 =
-- expired, or deleted and empty. embedding and dimensions are what all of the
-- store's vectors are of, '' and 0 before the first.
CREATE TABLE vector_stores (
    seq        INTEGER PRIMARY KEY,
    project_id TEXT NOT NULL,
    id         TEXT NOT NULL UNIQUE,
    expires_at INTEGER,
    gone       INTEGER NOT NULL DEFAULT 0,
    embedding  TEXT NOT NULL DEFAULT '',
    dimensions INTEGER NOT NULL DEFAULT 0,
    body       TEXT
);
CREATE INDEX vector_stores_by_project ON vector_stores (project_id, seq);
CREATE INDEX vector_stores_expiring ON vector_stores (expires_at) WHERE expires_at IS NOT NULL AND gone = 0;
CREATE INDEX vector_stores_gone ON vector_stores (seq) WHERE gone = 1;

-- A file of a store: id is the file's. A file that is attached again has a new
-- row, so that chunks, which name the row by seq, never mix; the old row stays
-- with a null body and the status deleted, for cursors. A row can be found by a
-- search exactly while its status is completed. epoch counts who took the row
-- up for indexing; lexical = 1: its chunks should have had vectors and have
-- none. attributes is null for {}.
CREATE TABLE vector_store_files (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id TEXT NOT NULL,
    store_id   TEXT NOT NULL,
    id         TEXT NOT NULL,
    batch_id   TEXT,
    status     TEXT NOT NULL,
    epoch      INTEGER NOT NULL DEFAULT 0,
    lexical    INTEGER NOT NULL DEFAULT 0,
    attributes TEXT,
    body       TEXT
);
CREATE UNIQUE INDEX vector_store_files_once ON vector_store_files (store_id, id) WHERE body IS NOT NULL;
CREATE INDEX vector_store_files_by_store ON vector_store_files (store_id, seq);
CREATE INDEX vector_store_files_by_cursor ON vector_store_files (store_id, id, seq);
CREATE INDEX vector_store_files_by_status ON vector_store_files (store_id, status, seq);
CREATE INDEX vector_store_files_by_batch ON vector_store_files (batch_id, seq) WHERE batch_id IS NOT NULL;
CREATE INDEX vector_store_files_by_file ON vector_store_files (id) WHERE body IS NOT NULL;
CREATE INDEX vector_store_files_waiting ON vector_store_files (store_id, seq) WHERE status = 'in_progress';
CREATE INDEX vector_store_files_lexical ON vector_store_files (store_id) WHERE lexical = 1;

CREATE TABLE vector_store_batches (
    seq        INTEGER PRIMARY KEY,
    project_id TEXT NOT NULL,
    store_id   TEXT NOT NULL,
    id         TEXT NOT NULL UNIQUE,
    body       TEXT NOT NULL
);
CREATE INDEX vector_store_batches_by_store ON vector_store_batches (store_id, seq);
