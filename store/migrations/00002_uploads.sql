-- An upload is pending until it is completed, cancelled or expired; only then
-- has it parts. expires_after is the file's, in seconds, 0 for never.
CREATE TABLE uploads (
    id            TEXT NOT NULL PRIMARY KEY,
    project_id    TEXT NOT NULL,
    pending       INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    expires_after INTEGER NOT NULL,
    body          TEXT NOT NULL
);
CREATE INDEX uploads_pending ON uploads (expires_at) WHERE pending = 1;

CREATE TABLE upload_parts (
    id         TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL,
    upload_id  TEXT NOT NULL,
    blob       TEXT NOT NULL,
    size       INTEGER NOT NULL
);
CREATE INDEX upload_parts_by_upload ON upload_parts (upload_id);
