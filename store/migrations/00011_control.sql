-- +goose Up
-- hidden_of is the thread that a hidden fork was made of: it is in no list, and goes with that thread.
ALTER TABLE threads ADD COLUMN hidden_of TEXT;
CREATE INDEX threads_hidden ON threads (hidden_of) WHERE hidden_of IS NOT NULL;
