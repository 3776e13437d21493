-- What somebody did.
-- Outside a transaction, so that nobody who writes has to wait; alone, because several statements would be one.
CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_events_actor_id_idx ON audit_events (actor_id, id) WHERE actor_id IS NOT NULL;
