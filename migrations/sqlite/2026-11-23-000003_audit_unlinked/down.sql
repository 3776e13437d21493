DROP INDEX audit_events_unlinked_idx;
