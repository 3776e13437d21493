DROP INDEX IF EXISTS audit_events_position_key;
