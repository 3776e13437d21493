-- Logins of everybody, and those that are too old to be kept.
-- Outside a transaction, so that nobody who writes has to wait; alone, because several statements would be one.
CREATE INDEX CONCURRENTLY IF NOT EXISTS login_history_at_idx ON login_history (at, token_id);
