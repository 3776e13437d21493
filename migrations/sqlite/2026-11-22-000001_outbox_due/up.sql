-- Who looks for due mail reads what is due and no more, however much is deferred while a mail server is down.
CREATE INDEX outbox_due_at_idx ON outbox (due_at, created_at, id) WHERE dead_at IS NULL;
