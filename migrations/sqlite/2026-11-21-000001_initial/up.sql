-- Identifiers are 16-byte UUIDs, times are microseconds since the Unix epoch, hashes are 32 bytes.

CREATE TABLE users (
    id BLOB NOT NULL,
    email TEXT NOT NULL,
    username TEXT,
    full_name TEXT,
    locale TEXT,
    role TEXT NOT NULL,
    status TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    sessions_epoch INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_email_key UNIQUE (email),
    CONSTRAINT users_username_key UNIQUE (username),
    CONSTRAINT users_id_check CHECK (length(id) = 16)
) STRICT, WITHOUT ROWID;
CREATE INDEX users_created_at_idx ON users (created_at, id);
CREATE INDEX users_status_idx ON users (status);

CREATE TABLE passwords (
    user_id BLOB NOT NULL,
    hash TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    CONSTRAINT passwords_pkey PRIMARY KEY (user_id),
    CONSTRAINT passwords_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;

-- Several claims may name one address: only the proved one becomes a user.
CREATE TABLE pending_registrations (
    id BLOB NOT NULL,
    email TEXT NOT NULL,
    username TEXT,
    full_name TEXT,
    password TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    CONSTRAINT pending_registrations_pkey PRIMARY KEY (id),
    CONSTRAINT pending_registrations_id_check CHECK (length(id) = 16)
) STRICT, WITHOUT ROWID;
CREATE INDEX pending_registrations_email_idx ON pending_registrations (email);
CREATE INDEX pending_registrations_expires_at_idx ON pending_registrations (expires_at);

-- Without a user: the decoy written when the asked-for account does not exist.
CREATE TABLE link_tokens (
    hash BLOB NOT NULL,
    purpose TEXT NOT NULL,
    user_id BLOB,
    epoch INTEGER NOT NULL,
    begun_as TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    CONSTRAINT link_tokens_pkey PRIMARY KEY (hash),
    CONSTRAINT link_tokens_begun_as_key UNIQUE (begun_as),
    CONSTRAINT link_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT link_tokens_hash_check CHECK (length(hash) = 32)
) STRICT, WITHOUT ROWID;
CREATE INDEX link_tokens_user_id_idx ON link_tokens (user_id, purpose);
CREATE INDEX link_tokens_expires_at_idx ON link_tokens (expires_at);

-- due_at is moved ahead by a claim: the lease is the time until the message is due again.
CREATE TABLE outbox (
    id TEXT NOT NULL,
    sealed BLOB,
    attempts INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    dead_at INTEGER,
    last_error TEXT,
    CONSTRAINT outbox_pkey PRIMARY KEY (id),
    -- A dead letter keeps no contents, a living one has some.
    CONSTRAINT outbox_sealed_check CHECK ((dead_at IS NULL) = (sealed IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_created_at_idx ON outbox (created_at, id, due_at, expires_at) WHERE dead_at IS NULL;
CREATE INDEX outbox_expires_at_idx ON outbox (expires_at) WHERE dead_at IS NULL;
CREATE INDEX outbox_dead_at_idx ON outbox (dead_at) WHERE dead_at IS NOT NULL;

-- Append-only; no foreign key, because events outlive accounts.
CREATE TABLE audit_events (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    at INTEGER NOT NULL,
    actor_id BLOB,
    subject_id BLOB,
    session_id TEXT,
    ip TEXT,
    user_agent TEXT
) STRICT;
CREATE INDEX audit_events_subject_id_idx ON audit_events (subject_id, at, id);

-- target is a jti, a sid, or <user>:<epoch>.
CREATE TABLE revocations (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    user_id BLOB,
    epoch INTEGER,
    sessions_epoch INTEGER,
    at INTEGER NOT NULL,
    CONSTRAINT revocations_target_key UNIQUE (kind, target)
) STRICT;
CREATE INDEX revocations_at_idx ON revocations (at, id);
CREATE INDEX revocations_user_id_idx ON revocations (user_id, epoch) WHERE user_id IS NOT NULL;

CREATE TABLE guess_budgets (
    policy TEXT NOT NULL,
    key TEXT NOT NULL,
    count INTEGER NOT NULL,
    resets_at INTEGER NOT NULL,
    CONSTRAINT guess_budgets_pkey PRIMARY KEY (policy, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX guess_budgets_resets_at_idx ON guess_budgets (resets_at);

CREATE TABLE devices (
    user_id BLOB NOT NULL,
    hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    CONSTRAINT devices_pkey PRIMARY KEY (user_id, hash),
    CONSTRAINT devices_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT devices_hash_check CHECK (length(hash) = 32)
) STRICT, WITHOUT ROWID;
CREATE INDEX devices_expires_at_idx ON devices (expires_at);

CREATE TABLE login_history (
    token_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    user_id BLOB NOT NULL,
    at INTEGER NOT NULL,
    ip TEXT,
    user_agent TEXT,
    CONSTRAINT login_history_pkey PRIMARY KEY (token_id),
    CONSTRAINT login_history_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;
CREATE INDEX login_history_user_id_idx ON login_history (user_id, at, token_id);
CREATE INDEX login_history_session_id_idx ON login_history (session_id, user_id);

CREATE TABLE keys (
    id TEXT NOT NULL,
    key_use TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    active_from INTEGER NOT NULL,
    retires_at INTEGER,
    CONSTRAINT keys_pkey PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
