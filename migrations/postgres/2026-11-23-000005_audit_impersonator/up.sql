-- What somebody did as somebody else: few rows.
-- Outside a transaction, so that nobody who writes has to wait; alone, because several statements would be one.
CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_events_impersonator_id_idx ON audit_events (impersonator_id, id) WHERE impersonator_id IS NOT NULL;
