DROP INDEX IF EXISTS audit_events_impersonator_id_idx;
