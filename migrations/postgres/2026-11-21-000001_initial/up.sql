-- Hashes are 32 bytes. Text is compared and ordered by its bytes, as SQLite does: COLLATE "C".

CREATE TABLE users (
    id uuid NOT NULL,
    email text COLLATE "C" NOT NULL,
    username text COLLATE "C",
    full_name text,
    locale text COLLATE "C",
    role text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    sessions_epoch bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_email_key UNIQUE (email),
    CONSTRAINT users_username_key UNIQUE (username)
);
CREATE INDEX users_created_at_idx ON users (created_at, id);
CREATE INDEX users_status_idx ON users (status);

CREATE TABLE passwords (
    user_id uuid NOT NULL,
    hash text COLLATE "C" NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT passwords_pkey PRIMARY KEY (user_id),
    CONSTRAINT passwords_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);

-- Several claims may name one address: only the proved one becomes a user.
CREATE TABLE pending_registrations (
    id uuid NOT NULL,
    email text COLLATE "C" NOT NULL,
    username text COLLATE "C",
    full_name text,
    password text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT pending_registrations_pkey PRIMARY KEY (id)
);
CREATE INDEX pending_registrations_email_idx ON pending_registrations (email);
CREATE INDEX pending_registrations_expires_at_idx ON pending_registrations (expires_at);

-- Without a user: the decoy written when the asked-for account does not exist.
CREATE TABLE link_tokens (
    hash bytea NOT NULL,
    purpose text COLLATE "C" NOT NULL,
    user_id uuid,
    epoch bigint NOT NULL,
    begun_as text COLLATE "C",
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT link_tokens_pkey PRIMARY KEY (hash),
    CONSTRAINT link_tokens_begun_as_key UNIQUE (begun_as),
    CONSTRAINT link_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT link_tokens_hash_check CHECK (length(hash) = 32)
);
CREATE INDEX link_tokens_user_id_idx ON link_tokens (user_id, purpose);
CREATE INDEX link_tokens_expires_at_idx ON link_tokens (expires_at);

-- due_at is moved ahead by a claim: the lease is the time until the message is due again.
CREATE TABLE outbox (
    id text COLLATE "C" NOT NULL,
    sealed bytea,
    attempts bigint NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    dead_at timestamptz,
    last_error text,
    CONSTRAINT outbox_pkey PRIMARY KEY (id),
    -- A dead letter keeps no contents, a living one has some.
    CONSTRAINT outbox_sealed_check CHECK ((dead_at IS NULL) = (sealed IS NOT NULL))
);
CREATE INDEX outbox_created_at_idx ON outbox (created_at, id, due_at, expires_at) WHERE dead_at IS NULL;
CREATE INDEX outbox_expires_at_idx ON outbox (expires_at) WHERE dead_at IS NULL;
CREATE INDEX outbox_dead_at_idx ON outbox (dead_at) WHERE dead_at IS NOT NULL;

-- Append-only; no foreign key, because events outlive accounts.
CREATE TABLE audit_events (
    id bigint GENERATED ALWAYS AS IDENTITY,
    name text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    actor_id uuid,
    subject_id uuid,
    session_id text COLLATE "C",
    ip text COLLATE "C",
    user_agent text,
    CONSTRAINT audit_events_pkey PRIMARY KEY (id)
);
CREATE INDEX audit_events_subject_id_idx ON audit_events (subject_id, at, id);

-- target is a jti, a sid, or <user>:<epoch>.
CREATE TABLE revocations (
    id bigint GENERATED ALWAYS AS IDENTITY,
    kind text COLLATE "C" NOT NULL,
    target text COLLATE "C" NOT NULL,
    user_id uuid,
    epoch bigint,
    sessions_epoch bigint,
    at timestamptz NOT NULL,
    CONSTRAINT revocations_pkey PRIMARY KEY (id),
    CONSTRAINT revocations_target_key UNIQUE (kind, target)
);
CREATE INDEX revocations_at_idx ON revocations (at, id);
CREATE INDEX revocations_user_id_idx ON revocations (user_id, epoch) WHERE user_id IS NOT NULL;

CREATE TABLE guess_budgets (
    policy text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    count bigint NOT NULL,
    resets_at timestamptz NOT NULL,
    CONSTRAINT guess_budgets_pkey PRIMARY KEY (policy, key)
);
CREATE INDEX guess_budgets_resets_at_idx ON guess_budgets (resets_at);

CREATE TABLE devices (
    user_id uuid NOT NULL,
    hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT devices_pkey PRIMARY KEY (user_id, hash),
    CONSTRAINT devices_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT devices_hash_check CHECK (length(hash) = 32)
);
CREATE INDEX devices_expires_at_idx ON devices (expires_at);

CREATE TABLE login_history (
    token_id text COLLATE "C" NOT NULL,
    session_id text COLLATE "C" NOT NULL,
    user_id uuid NOT NULL,
    at timestamptz NOT NULL,
    ip text COLLATE "C",
    user_agent text,
    CONSTRAINT login_history_pkey PRIMARY KEY (token_id),
    CONSTRAINT login_history_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX login_history_user_id_idx ON login_history (user_id, at, token_id);
CREATE INDEX login_history_session_id_idx ON login_history (session_id, user_id);

CREATE TABLE keys (
    id text COLLATE "C" NOT NULL,
    key_use text COLLATE "C" NOT NULL,
    algorithm text COLLATE "C" NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL,
    active_from timestamptz NOT NULL,
    retires_at timestamptz,
    CONSTRAINT keys_pkey PRIMARY KEY (id)
);
