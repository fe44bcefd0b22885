-- webhook is the URL that the run's events go to, '' when it names none.
ALTER TABLE runs ADD COLUMN webhook TEXT NOT NULL DEFAULT '';

-- Events that endpoints have not taken yet. One that is delivered is deleted.
-- next_at is when it is tried next, in milliseconds; null while it waits behind
-- an earlier one of its run, or when it is dead: dead_at, also milliseconds, is
-- when it was given up.
CREATE TABLE webhook_deliveries (
    seq        INTEGER PRIMARY KEY,
    project_id TEXT NOT NULL,
    thread_id  TEXT NOT NULL,
    run_id     TEXT NOT NULL,
    id         TEXT NOT NULL,
    type       TEXT NOT NULL,
    endpoint   TEXT NOT NULL,
    lane       TEXT NOT NULL,
    origin     TEXT NOT NULL,
    payload    TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    error      TEXT NOT NULL DEFAULT '',
    next_at    INTEGER,
    dead_at    INTEGER
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (lane, next_at, seq) WHERE next_at IS NOT NULL;
CREATE INDEX webhook_deliveries_by_thread ON webhook_deliveries (thread_id, run_id, endpoint, seq);
CREATE INDEX webhook_deliveries_by_project ON webhook_deliveries (project_id, seq);
CREATE INDEX webhook_deliveries_dead ON webhook_deliveries (dead_at) WHERE dead_at IS NOT NULL;
