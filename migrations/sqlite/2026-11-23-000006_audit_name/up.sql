-- Where something happened, however rarely.
CREATE INDEX audit_events_name_idx ON audit_events (name, id);
