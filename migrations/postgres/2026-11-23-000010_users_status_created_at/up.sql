-- People of one standing in the order of lists.
-- Outside a transaction, so that nobody who writes has to wait; alone, because several statements would be one.
CREATE INDEX CONCURRENTLY IF NOT EXISTS users_status_created_at_idx ON users (status, created_at, id);
