-- Also PostgreSQL's form of these changes keeps to what the version before can serve beside; see there.

-- seal is the keyed hash of the event, by who wrote it. position and hash are set a moment after the row was written.
ALTER TABLE audit_events ADD COLUMN impersonator_id BLOB;
ALTER TABLE audit_events ADD COLUMN detail TEXT;
ALTER TABLE audit_events ADD COLUMN seal_key TEXT;
ALTER TABLE audit_events ADD COLUMN seal BLOB CONSTRAINT audit_events_seal_check CHECK (length(seal) = 32);
ALTER TABLE audit_events ADD COLUMN position INTEGER;
ALTER TABLE audit_events ADD COLUMN hash BLOB CONSTRAINT audit_events_hash_check CHECK (length(hash) = 32);

-- What the chain was at some time (head), and where it begins since older rows were deleted (floor).
CREATE TABLE audit_checkpoints (
    kind TEXT NOT NULL,
    position INTEGER NOT NULL,
    hash BLOB NOT NULL,
    at INTEGER NOT NULL,
    seal_key TEXT NOT NULL,
    seal BLOB NOT NULL,
    CONSTRAINT audit_checkpoints_pkey PRIMARY KEY (kind, position),
    CONSTRAINT audit_checkpoints_hash_check CHECK (length(hash) = 32),
    CONSTRAINT audit_checkpoints_seal_check CHECK (length(seal) = 32)
) STRICT, WITHOUT ROWID;

-- The one change there is: a row that has no place in the chain gets one. OR REPLACE would delete the row that has the
-- place, without a word to the trigger below.
CREATE TRIGGER audit_events_update BEFORE UPDATE ON audit_events
WHEN NOT (
    OLD.position IS NULL AND OLD.hash IS NULL AND NEW.position IS NOT NULL AND NEW.hash IS NOT NULL
    AND (NEW.id, NEW.name, NEW.at, NEW.actor_id, NEW.subject_id, NEW.session_id, NEW.ip, NEW.user_agent, NEW.impersonator_id, NEW.detail, NEW.seal_key, NEW.seal)
        IS
        (OLD.id, OLD.name, OLD.at, OLD.actor_id, OLD.subject_id, OLD.session_id, OLD.ip, OLD.user_agent, OLD.impersonator_id, OLD.detail, OLD.seal_key, OLD.seal)
    AND NOT EXISTS (SELECT 1 FROM audit_events WHERE position = NEW.position)
)
BEGIN
    SELECT RAISE(ABORT, 'audit events are written once');
END;

CREATE TRIGGER audit_events_insert BEFORE INSERT ON audit_events
WHEN EXISTS (SELECT 1 FROM audit_events WHERE id = NEW.id)
    OR NEW.position IS NOT NULL AND EXISTS (SELECT 1 FROM audit_events WHERE position = NEW.position)
BEGIN
    SELECT RAISE(ABORT, 'audit events are written once');
END;

CREATE TRIGGER audit_events_delete BEFORE DELETE ON audit_events
WHEN OLD.position IS NULL
    OR OLD.position > coalesce((SELECT max(position) FROM audit_checkpoints WHERE kind = 'floor'), 0)
BEGIN
    SELECT RAISE(ABORT, 'audit events are deleted up to the floor only');
END;

-- The ends of everybody's sessions. Not in revocations: the version before takes a kind it does not know for damage, and
-- could not read what else ended.
CREATE TABLE general_revocations (
    at INTEGER NOT NULL,
    CONSTRAINT general_revocations_pkey PRIMARY KEY (at)
) STRICT, WITHOUT ROWID;

-- The administrator who acted as the user; no foreign key, because logins outlive administrators.
ALTER TABLE login_history ADD COLUMN impersonator_id BLOB;

-- Until when a worker owns a message. NULL: nobody does, or one of the version before.
ALTER TABLE outbox ADD COLUMN leased_until INTEGER;
