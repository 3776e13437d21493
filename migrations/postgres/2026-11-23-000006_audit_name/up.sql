-- Where something happened, however rarely.
-- Outside a transaction, so that nobody who writes has to wait; alone, because several statements would be one.
CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_events_name_idx ON audit_events (name, id);
