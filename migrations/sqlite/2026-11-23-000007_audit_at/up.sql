-- What happened at some time.
CREATE INDEX audit_events_at_idx ON audit_events (at, id);
