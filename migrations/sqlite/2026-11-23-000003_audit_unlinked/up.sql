-- Who links rows reads those that wait, however long the log is.
CREATE INDEX audit_events_unlinked_idx ON audit_events (id) WHERE position IS NULL;
