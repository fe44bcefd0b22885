-- trace is the trace context that the run's calls are made under, as JSON, '' when it has none.
ALTER TABLE runs ADD COLUMN trace TEXT NOT NULL DEFAULT '';
