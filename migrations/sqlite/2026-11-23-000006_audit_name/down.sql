DROP INDEX audit_events_name_idx;
