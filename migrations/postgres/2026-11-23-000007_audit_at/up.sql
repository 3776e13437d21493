-- What happened at some time.
-- Outside a transaction, so that nobody who writes has to wait; alone, because several statements would be one.
CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_events_at_idx ON audit_events (at, id);
