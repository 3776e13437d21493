-- One account per number. Outside a transaction, so that nobody who writes has to wait; alone, because several statements
-- would be one.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS users_phone_key ON users (phone);
