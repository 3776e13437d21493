-- The order of the chain; no place is taken twice.
-- Outside a transaction, so that nobody who writes has to wait; alone, because several statements would be one.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS audit_events_position_key ON audit_events (position) WHERE position IS NOT NULL;
