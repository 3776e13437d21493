DROP INDEX audit_events_position_key;
