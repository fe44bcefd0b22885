-- replay_of is the run that a run replays, as JSON, '' for one that replays none.
ALTER TABLE runs ADD COLUMN replay_of TEXT NOT NULL DEFAULT '';
