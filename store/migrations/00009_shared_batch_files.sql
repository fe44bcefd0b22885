-- Batches besides a file's own (vector_store_files.batch_id) that wait for it:
-- those that attached it while it was in progress.
CREATE TABLE vector_store_batch_files (
    batch_id TEXT NOT NULL,
    store_id TEXT NOT NULL,
    file_id  TEXT NOT NULL,
    PRIMARY KEY (batch_id, file_id)
) WITHOUT ROWID;
CREATE INDEX vector_store_batch_files_by_file ON vector_store_batch_files (store_id, file_id, batch_id);
