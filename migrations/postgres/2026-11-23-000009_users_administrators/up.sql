-- The few who may more than others.
-- Outside a transaction, so that nobody who writes has to wait; alone, because several statements would be one.
CREATE INDEX CONCURRENTLY IF NOT EXISTS users_administrators_idx ON users (created_at, id) WHERE role <> 'user';
