-- The version before goes on serving beside this: its statements name none of the new columns, and each of them may be
-- absent. What only the new version writes is in tables of its own, or in claims without a password, which the version
-- before takes for accounts that are to have none.

-- What a claim would bring along: an SRP credential, sealed, and an account elsewhere.
ALTER TABLE pending_registrations
    ADD COLUMN srp bytea,
    ADD COLUMN social_provider text COLLATE "C",
    ADD COLUMN social_subject text COLLATE "C",
    ADD COLUMN social_label text;

CREATE TABLE srp_credentials (
    user_id uuid NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT srp_credentials_pkey PRIMARY KEY (user_id),
    CONSTRAINT srp_credentials_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);

-- An account elsewhere opens one account here, and a person has one of each provider.
CREATE TABLE social_identities (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    provider text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    label text,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz,
    CONSTRAINT social_identities_pkey PRIMARY KEY (id),
    CONSTRAINT social_identities_subject_key UNIQUE (provider, subject),
    CONSTRAINT social_identities_user_id_key UNIQUE (user_id, provider),
    CONSTRAINT social_identities_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);

-- date is YYYY-MM-DD where the deployment is, at the check-in: never more than a day off entered_at's in UTC. A row is open
-- while left_at is NULL.
CREATE TABLE attendances (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    date text COLLATE "C" NOT NULL,
    entered_at timestamptz NOT NULL,
    entered_ip text COLLATE "C",
    entered_user_agent text,
    entered_remarks text,
    left_at timestamptz,
    left_ip text COLLATE "C",
    left_user_agent text,
    left_remarks text,
    reminded_at timestamptz,
    CONSTRAINT attendances_pkey PRIMARY KEY (id),
    CONSTRAINT attendances_date_key UNIQUE (user_id, date),
    CONSTRAINT attendances_date_check CHECK (length(date) = 10),
    CONSTRAINT attendances_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX attendances_entered_at_idx ON attendances (entered_at DESC, id);
CREATE INDEX attendances_user_id_idx ON attendances (user_id, entered_at DESC, id);
CREATE INDEX attendances_open_entered_at_idx ON attendances (entered_at DESC, id) WHERE left_at IS NULL;
CREATE INDEX attendances_open_date_idx ON attendances (date, id) WHERE left_at IS NULL;

-- What one process at a time may do, and until when it is this one.
CREATE TABLE leases (
    name text COLLATE "C" NOT NULL,
    holder text COLLATE "C" NOT NULL,
    until timestamptz NOT NULL,
    CONSTRAINT leases_pkey PRIMARY KEY (name)
);
