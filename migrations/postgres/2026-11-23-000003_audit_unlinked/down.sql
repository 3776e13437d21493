DROP INDEX IF EXISTS audit_events_unlinked_idx;
