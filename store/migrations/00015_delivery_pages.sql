-- The list of undelivered events goes by their ids, which sort by time: a place in it is known also when the event that
-- stood there was delivered meanwhile. dead_at answers for their state.
DROP INDEX webhook_deliveries_by_project;
CREATE INDEX webhook_deliveries_by_project ON webhook_deliveries (project_id, id, dead_at);
