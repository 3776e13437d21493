-- What has no place in the older tables is lost: places in the chain, checkpoints, who acted as somebody else.
ALTER TABLE outbox DROP COLUMN leased_until;
ALTER TABLE login_history DROP COLUMN impersonator_id;
DROP TABLE general_revocations;
DROP TRIGGER audit_events_delete;
DROP TRIGGER audit_events_insert;
DROP TRIGGER audit_events_update;
DROP TABLE audit_checkpoints;
ALTER TABLE audit_events DROP COLUMN hash;
ALTER TABLE audit_events DROP COLUMN position;
ALTER TABLE audit_events DROP COLUMN seal;
ALTER TABLE audit_events DROP COLUMN seal_key;
ALTER TABLE audit_events DROP COLUMN detail;
ALTER TABLE audit_events DROP COLUMN impersonator_id;
