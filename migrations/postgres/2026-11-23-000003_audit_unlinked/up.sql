-- Who links rows reads those that wait, however long the log is.
-- Outside a transaction, so that nobody who writes has to wait; alone, because several statements would be one.
CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_events_unlinked_idx ON audit_events (id) WHERE position IS NULL;
