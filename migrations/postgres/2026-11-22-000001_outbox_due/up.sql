-- Who looks for due mail reads what is due and no more, however much is deferred while a mail server is down.
-- Outside a transaction, so that nobody who writes has to wait; alone, because several statements would be one.
CREATE INDEX CONCURRENTLY IF NOT EXISTS outbox_due_at_idx ON outbox (due_at, created_at, id) WHERE dead_at IS NULL;
