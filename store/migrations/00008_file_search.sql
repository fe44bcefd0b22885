-- search is how the run's file_search works, as JSON, '' when it has nothing to say.
ALTER TABLE runs ADD COLUMN search TEXT NOT NULL DEFAULT '';

-- searches is what the calls of file_search asked for and found, as JSON, null
-- when there are none.
ALTER TABLE steps ADD COLUMN searches TEXT;
