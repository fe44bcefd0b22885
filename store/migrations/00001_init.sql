-- Every table carries project_id, and every lookup of a client names it.
--
-- seq is the order of a list. A deleted object keeps its row with a null body,
-- because a client may still hold its id as a cursor.
--
-- body is the object as it is shown, in version 2's shape; what is queried is
-- a column beside it. Flags are 0 or 1, leases end at a unix time in
-- milliseconds, other times are unix seconds.

CREATE TABLE assistants (
    seq        INTEGER PRIMARY KEY,
    project_id TEXT NOT NULL,
    id         TEXT NOT NULL UNIQUE,
    body       TEXT
);
CREATE INDEX assistants_by_project ON assistants (project_id, seq);

-- purged = 0 on a deleted thread: what it held has yet to be removed.
CREATE TABLE threads (
    seq        INTEGER PRIMARY KEY,
    project_id TEXT NOT NULL,
    id         TEXT NOT NULL UNIQUE,
    purged     INTEGER NOT NULL DEFAULT 0,
    body       TEXT
);
CREATE INDEX threads_by_project ON threads (project_id, seq);
CREATE INDEX threads_to_purge ON threads (seq) WHERE body IS NULL AND purged = 0;

-- Clustered by thread: a page of messages is one stretch of the file.
CREATE TABLE messages (
    thread_id  TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    project_id TEXT NOT NULL,
    id         TEXT NOT NULL UNIQUE,
    by_user    INTEGER NOT NULL,
    run_id     TEXT,
    turn       INTEGER NOT NULL DEFAULT 0,
    tokens     INTEGER NOT NULL,
    state      TEXT,
    body       TEXT,
    PRIMARY KEY (thread_id, seq)
) WITHOUT ROWID;
CREATE INDEX messages_by_run ON messages (run_id, seq) WHERE run_id IS NOT NULL;

-- The tables below have rows of a kilobyte and more, which a clustered table
-- would spread over overflow pages.
CREATE TABLE runs (
    thread_id   TEXT NOT NULL,
    seq         INTEGER NOT NULL,
    project_id  TEXT NOT NULL,
    id          TEXT NOT NULL UNIQUE,
    active      INTEGER NOT NULL,
    runnable    INTEGER NOT NULL,
    expires_at  INTEGER,
    lease_owner TEXT NOT NULL,
    lease_until INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    upstream    TEXT NOT NULL,
    spent       TEXT NOT NULL,
    body        TEXT NOT NULL,
    PRIMARY KEY (thread_id, seq)
);
-- The lock of a thread: one active run at most.
CREATE UNIQUE INDEX runs_lock ON runs (thread_id) WHERE active = 1;
CREATE INDEX runs_active ON runs (id, runnable, expires_at, lease_until) WHERE active = 1;

-- after is the sequence number of the thread's newest message when the step
-- was made, so that messages and tool calls make one timeline.
CREATE TABLE steps (
    run_id     TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    project_id TEXT NOT NULL,
    thread_id  TEXT NOT NULL,
    id         TEXT NOT NULL UNIQUE,
    calls      INTEGER NOT NULL,
    turn       INTEGER NOT NULL,
    after      INTEGER NOT NULL,
    tokens     INTEGER NOT NULL,
    used       TEXT NOT NULL,
    state      TEXT,
    body       TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
);
CREATE INDEX steps_calls ON steps (thread_id, after, run_id, seq) WHERE calls = 1;

-- The tape. request is the body as sent with its messages taken out; they lie
-- in prompt_messages once each, and messages lists their hashes in order.
CREATE TABLE model_calls (
    run_id     TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    project_id TEXT NOT NULL,
    thread_id  TEXT NOT NULL,
    meta       TEXT NOT NULL,
    request    BLOB NOT NULL,
    split_at   INTEGER NOT NULL,
    messages   BLOB NOT NULL,
    response   BLOB NOT NULL,
    PRIMARY KEY (run_id, seq)
);
CREATE INDEX model_calls_by_thread ON model_calls (thread_id);

CREATE TABLE prompt_messages (
    thread_id TEXT NOT NULL,
    hash      BLOB NOT NULL,
    body      BLOB NOT NULL,
    PRIMARY KEY (thread_id, hash)
);

CREATE TABLE files (
    seq        INTEGER PRIMARY KEY,
    project_id TEXT NOT NULL,
    id         TEXT NOT NULL UNIQUE,
    purpose    TEXT NOT NULL,
    expires_at INTEGER,
    blob       TEXT NOT NULL,
    body       TEXT
);
CREATE INDEX files_by_project ON files (project_id, seq);
CREATE INDEX files_expiring ON files (expires_at) WHERE expires_at IS NOT NULL AND body IS NOT NULL;

-- hash is the SHA-256 of the whole key; the id is the part of it that may be shown.
CREATE TABLE keys (
    id         TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL,
    name       TEXT NOT NULL,
    hash       BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
);

-- What was answered under an Idempotency-Key; scope is a hash of the caller,
-- the path and the key.
CREATE TABLE answers (
    scope      TEXT NOT NULL PRIMARY KEY,
    body_hash  BLOB NOT NULL,
    answer     BLOB NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX answers_by_time ON answers (created_at);
