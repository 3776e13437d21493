-- The order of the chain; no place is taken twice.
CREATE UNIQUE INDEX audit_events_position_key ON audit_events (position) WHERE position IS NOT NULL;
