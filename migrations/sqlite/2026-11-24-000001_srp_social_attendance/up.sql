-- Also PostgreSQL's form of these changes keeps to what the version before can serve beside; see there.

-- What a claim would bring along: an SRP credential, sealed, and an account elsewhere.
ALTER TABLE pending_registrations ADD COLUMN srp BLOB;
ALTER TABLE pending_registrations ADD COLUMN social_provider TEXT;
ALTER TABLE pending_registrations ADD COLUMN social_subject TEXT;
ALTER TABLE pending_registrations ADD COLUMN social_label TEXT;

CREATE TABLE srp_credentials (
    user_id BLOB NOT NULL,
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    CONSTRAINT srp_credentials_pkey PRIMARY KEY (user_id),
    CONSTRAINT srp_credentials_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;

-- An account elsewhere opens one account here, and a person has one of each provider.
CREATE TABLE social_identities (
    id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    provider TEXT NOT NULL,
    subject TEXT NOT NULL,
    label TEXT,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    CONSTRAINT social_identities_pkey PRIMARY KEY (id),
    CONSTRAINT social_identities_subject_key UNIQUE (provider, subject),
    CONSTRAINT social_identities_user_id_key UNIQUE (user_id, provider),
    CONSTRAINT social_identities_id_check CHECK (length(id) = 16),
    CONSTRAINT social_identities_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;

-- date is YYYY-MM-DD where the deployment is, at the check-in: never more than a day off entered_at's in UTC. A row is open
-- while left_at is NULL.
CREATE TABLE attendances (
    id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    date TEXT NOT NULL,
    entered_at INTEGER NOT NULL,
    entered_ip TEXT,
    entered_user_agent TEXT,
    entered_remarks TEXT,
    left_at INTEGER,
    left_ip TEXT,
    left_user_agent TEXT,
    left_remarks TEXT,
    reminded_at INTEGER,
    CONSTRAINT attendances_pkey PRIMARY KEY (id),
    CONSTRAINT attendances_date_key UNIQUE (user_id, date),
    CONSTRAINT attendances_id_check CHECK (length(id) = 16),
    CONSTRAINT attendances_date_check CHECK (length(date) = 10),
    CONSTRAINT attendances_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;
CREATE INDEX attendances_entered_at_idx ON attendances (entered_at DESC, id);
CREATE INDEX attendances_user_id_idx ON attendances (user_id, entered_at DESC, id);
CREATE INDEX attendances_open_entered_at_idx ON attendances (entered_at DESC, id) WHERE left_at IS NULL;
CREATE INDEX attendances_open_date_idx ON attendances (date, id) WHERE left_at IS NULL;

-- What one process at a time may do, and until when it is this one.
CREATE TABLE leases (
    name TEXT NOT NULL,
    holder TEXT NOT NULL,
    until INTEGER NOT NULL,
    CONSTRAINT leases_pkey PRIMARY KEY (name)
) STRICT, WITHOUT ROWID;
