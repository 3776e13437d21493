DROP INDEX IF EXISTS audit_events_name_idx;
