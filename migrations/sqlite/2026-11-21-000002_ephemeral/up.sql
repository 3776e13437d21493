-- State with an end. Deployments with Redis keep it there: these tables exist in the embedded store only.

CREATE TABLE sessions (
    id TEXT NOT NULL,
    user_id BLOB NOT NULL,
    client TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    head INTEGER NOT NULL,
    head_key TEXT NOT NULL,
    previous_key TEXT,
    rotated_at INTEGER,
    rotations_since INTEGER NOT NULL,
    rotations INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    role TEXT NOT NULL,
    amr TEXT NOT NULL,
    auth_time INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    checked_at INTEGER NOT NULL,
    ip TEXT,
    user_agent TEXT,
    ended TEXT,
    CONSTRAINT sessions_pkey PRIMARY KEY (id),
    CONSTRAINT sessions_user_id_check CHECK (length(user_id) = 16),
    CONSTRAINT sessions_fingerprint_check CHECK (length(fingerprint) = 32)
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_user_id_idx ON sessions (user_id, created_at, id) WHERE ended IS NULL;
CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);

CREATE TABLE ceremonies (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    state BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    CONSTRAINT ceremonies_pkey PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX ceremonies_expires_at_idx ON ceremonies (expires_at);

CREATE TABLE rate_windows (
    policy TEXT NOT NULL,
    key TEXT NOT NULL,
    count INTEGER NOT NULL,
    resets_at INTEGER NOT NULL,
    CONSTRAINT rate_windows_pkey PRIMARY KEY (policy, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX rate_windows_resets_at_idx ON rate_windows (resets_at);
