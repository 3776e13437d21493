-- What has no place in the older tables is lost: places in the chain, checkpoints, who acted as somebody else.
ALTER TABLE outbox DROP COLUMN leased_until;
ALTER TABLE login_history DROP COLUMN impersonator_id;
DROP TABLE general_revocations;
DROP TRIGGER audit_events_truncate ON audit_events;
DROP TRIGGER audit_events_delete ON audit_events;
DROP TRIGGER audit_events_update ON audit_events;
DROP FUNCTION audit_events_check_deleted();
DROP FUNCTION audit_events_refuse();
DROP TABLE audit_checkpoints;
ALTER TABLE audit_events
    DROP CONSTRAINT audit_events_hash_check,
    DROP CONSTRAINT audit_events_seal_check,
    DROP COLUMN hash,
    DROP COLUMN position,
    DROP COLUMN seal,
    DROP COLUMN seal_key,
    DROP COLUMN detail,
    DROP COLUMN impersonator_id;
