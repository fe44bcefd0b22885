-- The tape. A body (request, response, prompt_messages.body) is stored as it is, or as one zstd frame.
--
-- request is the body as sent with its messages taken out at split_at; shared = 1: the hash of the part that holds it.
-- messages lists hashes: of the messages themselves where depth is 0, and of parts that list on where it is higher.
-- ended_at is in unix seconds, 0 = being removed. size is what the call, and the parts that it was the first to name,
-- occupy, in bytes, about: the sum over all calls is the size of the tape.
CREATE TABLE taped_calls (
    run_id     TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    project_id TEXT NOT NULL,
    thread_id  TEXT NOT NULL,
    ended_at   INTEGER NOT NULL DEFAULT (unixepoch()),
    size       INTEGER NOT NULL DEFAULT 0,
    shared     INTEGER NOT NULL DEFAULT 0,
    split_at   INTEGER NOT NULL,
    depth      INTEGER NOT NULL DEFAULT 0,
    meta       TEXT NOT NULL,
    messages   BLOB NOT NULL,
    request    BLOB NOT NULL,
    response   BLOB NOT NULL,
    PRIMARY KEY (run_id, seq)
);
INSERT INTO taped_calls (run_id, seq, project_id, thread_id, ended_at, size, split_at, meta, messages, request, response)
    SELECT run_id, seq, project_id, thread_id, COALESCE(CAST(strftime('%s', meta ->> '$.ended_at') AS INTEGER), unixepoch()),
        250 + length(meta) + length(messages) + length(request) + length(response), split_at, meta, messages, request, response
    FROM model_calls ORDER BY rowid;
UPDATE taped_calls SET size = size + COALESCE((SELECT SUM(130 + length(p.body)) FROM prompt_messages p WHERE p.thread_id = taped_calls.thread_id), 0)
    WHERE rowid IN (SELECT MIN(rowid) FROM taped_calls GROUP BY thread_id);
DROP TABLE model_calls;
ALTER TABLE taped_calls RENAME TO model_calls;
CREATE INDEX model_calls_by_time ON model_calls (ended_at, size);

-- The parts of the tape's requests, each once in a thread, by the first bytes of their SHA-256. One of depth 0 is a message, or a request
-- without its messages; a deeper one is a list of the hashes of others, one level less deep, which are there as long as
-- it is.
CREATE TABLE taped_parts (
    thread_id TEXT NOT NULL,
    hash      BLOB NOT NULL,
    depth     INTEGER NOT NULL DEFAULT 0,
    body      BLOB NOT NULL,
    PRIMARY KEY (thread_id, hash)
);
INSERT INTO taped_parts (thread_id, hash, body) SELECT thread_id, hash, body FROM prompt_messages ORDER BY rowid;
DROP TABLE prompt_messages;
ALTER TABLE taped_parts RENAME TO prompt_messages;
