-- The version before goes on serving beside this: its statements name none of the new columns, and what only the new
-- version writes is in tables and columns of its own. Indexes of tables that may be long come one by one, after this.

-- seal is the keyed hash of the event, by who wrote it. position and hash are set a moment after the row was written.
ALTER TABLE audit_events
    ADD COLUMN impersonator_id uuid,
    ADD COLUMN detail text,
    ADD COLUMN seal_key text COLLATE "C",
    ADD COLUMN seal bytea,
    ADD COLUMN position bigint,
    ADD COLUMN hash bytea,
    -- Not read over: no row there is has one.
    ADD CONSTRAINT audit_events_seal_check CHECK (length(seal) = 32) NOT VALID,
    ADD CONSTRAINT audit_events_hash_check CHECK (length(hash) = 32) NOT VALID;

-- What the chain was at some time (head), and where it begins since older rows were deleted (floor).
CREATE TABLE audit_checkpoints (
    kind text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    hash bytea NOT NULL,
    at timestamptz NOT NULL,
    seal_key text COLLATE "C" NOT NULL,
    seal bytea NOT NULL,
    CONSTRAINT audit_checkpoints_pkey PRIMARY KEY (kind, position),
    CONSTRAINT audit_checkpoints_hash_check CHECK (length(hash) = 32),
    CONSTRAINT audit_checkpoints_seal_check CHECK (length(seal) = 32)
);

CREATE FUNCTION audit_events_refuse() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    RAISE EXCEPTION 'audit events are written once' USING ERRCODE = 'check_violation';
END
$$;

CREATE FUNCTION audit_events_check_deleted() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM gone WHERE gone.position IS NULL OR gone.position >
            (SELECT coalesce(max(c.position), 0) FROM audit_checkpoints c WHERE c.kind = 'floor')
    ) THEN
        RAISE EXCEPTION 'audit events are deleted up to the floor only' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

-- The one change there is: a row that has no place in the chain gets one.
CREATE TRIGGER audit_events_update BEFORE UPDATE ON audit_events FOR EACH ROW
WHEN (NOT (
    OLD.position IS NULL AND OLD.hash IS NULL AND NEW.position IS NOT NULL AND NEW.hash IS NOT NULL
    AND ROW (NEW.id, NEW.name, NEW.at, NEW.actor_id, NEW.subject_id, NEW.session_id, NEW.ip, NEW.user_agent, NEW.impersonator_id, NEW.detail, NEW.seal_key, NEW.seal)
        IS NOT DISTINCT FROM
        ROW (OLD.id, OLD.name, OLD.at, OLD.actor_id, OLD.subject_id, OLD.session_id, OLD.ip, OLD.user_agent, OLD.impersonator_id, OLD.detail, OLD.seal_key, OLD.seal)
)) EXECUTE FUNCTION audit_events_refuse();

CREATE TRIGGER audit_events_delete AFTER DELETE ON audit_events REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION audit_events_check_deleted();

CREATE TRIGGER audit_events_truncate BEFORE TRUNCATE ON audit_events
FOR EACH STATEMENT EXECUTE FUNCTION audit_events_refuse();

-- The ends of everybody's sessions. Not in revocations: the version before takes a kind it does not know for damage, and
-- could not read what else ended.
CREATE TABLE general_revocations (
    at timestamptz NOT NULL,
    CONSTRAINT general_revocations_pkey PRIMARY KEY (at)
);

-- The administrator who acted as the user; no foreign key, because logins outlive administrators.
ALTER TABLE login_history ADD COLUMN impersonator_id uuid;

-- Until when a worker owns a message. NULL: nobody does, or one of the version before.
ALTER TABLE outbox ADD COLUMN leased_until timestamptz;
