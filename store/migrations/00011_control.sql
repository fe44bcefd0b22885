-- hidden_of is the thread that a hidden fork was made of: it is in no list, and goes with that thread.
ALTER TABLE threads ADD COLUMN hidden_of TEXT;
CREATE INDEX threads_hidden ON threads (hidden_of) WHERE hidden_of IS NOT NULL;

-- runs.active: 0 = ended, 1 = holds the lock of its thread, 2 = is in thread_queue, and will hold it.
CREATE INDEX runs_enqueued ON runs (thread_id, seq) WHERE active = 2;

-- What waits for the run that holds a thread to end, in order: messages, and runs, whose body is null. What comes with a
-- run, and the run itself, carries its id in run_id. While a thread has something here, a run holds it.
CREATE TABLE thread_queue (
    thread_id  TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    project_id TEXT NOT NULL,
    id         TEXT NOT NULL UNIQUE,
    run_id     TEXT,
    tokens     INTEGER NOT NULL,
    body       TEXT,
    PRIMARY KEY (thread_id, seq)
);

-- What edits and rewinds took out of threads, as it is shown; message_id is the message's, whose row stays with a null
-- body after a rewind.
CREATE TABLE message_versions (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    thread_id  TEXT NOT NULL,
    project_id TEXT NOT NULL,
    id         TEXT NOT NULL UNIQUE,
    message_id TEXT NOT NULL,
    body       TEXT NOT NULL
);
CREATE INDEX message_versions_by_thread ON message_versions (thread_id, seq);

-- The full text of threads, made by their searches as far as it is wanting. In message_terms, the rows from
-- number * 2^24 on are a thread's: its metadata, and from 1 on its messages by their seq, as far as upto. A null
-- thread_id means that the thread has changed, and its rows have yet to be removed.
CREATE TABLE threads_indexed (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    thread_id TEXT UNIQUE,
    upto      INTEGER NOT NULL
);
CREATE INDEX threads_indexed_to_purge ON threads_indexed (number) WHERE thread_id IS NULL;
CREATE VIRTUAL TABLE message_terms USING fts5(
    terms, content='', contentless_delete=1, tokenize="unicode61 remove_diacritics 2 categories 'L* N* M*'"
);
