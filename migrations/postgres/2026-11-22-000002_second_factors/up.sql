-- The version before goes on serving beside this: its statements name none of the new columns, and each of them has a
-- default. What only the new version writes (accounts without an e-mail address, claims without a password) it cannot
-- read; such rows come to be only once the new version serves.

ALTER TABLE users
    ALTER COLUMN email DROP NOT NULL,
    ADD COLUMN phone text COLLATE "C",
    -- NULL: the user's own identifier, as of the contact an account came to be with.
    ADD COLUMN email_contact_id uuid,
    ADD COLUMN phone_contact_id uuid,
    ADD COLUMN email_otp boolean NOT NULL DEFAULT false,
    ADD COLUMN phone_otp boolean NOT NULL DEFAULT false;

-- A claim to a number has it in the column email: under another name the version before could not use the table.
ALTER TABLE pending_registrations
    ALTER COLUMN password DROP NOT NULL,
    ADD COLUMN kind text COLLATE "C" NOT NULL DEFAULT 'email';

ALTER TABLE link_tokens ADD COLUMN factor_proved boolean NOT NULL DEFAULT false;

-- A pending secret waits beside the confirmed one.
CREATE TABLE totp (
    user_id uuid NOT NULL,
    sealed bytea,
    last_step bigint,
    confirmed_at timestamptz,
    pending bytea,
    pending_expires_at timestamptz,
    CONSTRAINT totp_pkey PRIMARY KEY (user_id),
    CONSTRAINT totp_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT totp_pending_check CHECK ((pending IS NULL) = (pending_expires_at IS NULL))
);

-- The selector is the first group of a code; hash is the password hash of the rest.
CREATE TABLE recovery_codes (
    user_id uuid NOT NULL,
    selector text COLLATE "C" NOT NULL,
    hash text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT recovery_codes_pkey PRIMARY KEY (user_id, selector),
    CONSTRAINT recovery_codes_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);

-- credential is in the verifier's own form. No secret.
CREATE TABLE passkeys (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    credential_id bytea NOT NULL,
    name text NOT NULL,
    credential bytea NOT NULL,
    counter bigint NOT NULL,
    aaguid uuid NOT NULL,
    backup_eligible boolean NOT NULL,
    backed_up boolean NOT NULL,
    user_verified boolean NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz,
    CONSTRAINT passkeys_pkey PRIMARY KEY (id),
    CONSTRAINT passkeys_credential_id_key UNIQUE (credential_id),
    CONSTRAINT passkeys_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX passkeys_user_id_idx ON passkeys (user_id, created_at, id);

-- Addresses that are not proved yet. Those that were are columns of users.
CREATE TABLE pending_contacts (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL,
    address text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT pending_contacts_pkey PRIMARY KEY (id),
    CONSTRAINT pending_contacts_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX pending_contacts_user_id_idx ON pending_contacts (user_id, created_at, id);
CREATE INDEX pending_contacts_expires_at_idx ON pending_contacts (expires_at);

CREATE TABLE contact_undos (
    hash bytea NOT NULL,
    user_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL,
    address text COLLATE "C" NOT NULL,
    otp_enabled boolean NOT NULL,
    other_contact_id uuid,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT contact_undos_pkey PRIMARY KEY (hash),
    CONSTRAINT contact_undos_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT contact_undos_hash_check CHECK (length(hash) = 32)
);
CREATE INDEX contact_undos_user_id_idx ON contact_undos (user_id);
CREATE INDEX contact_undos_expires_at_idx ON contact_undos (expires_at);

-- Failures of each factor, under a key that names an account and perhaps a device.
CREATE TABLE factor_failures (
    key text COLLATE "C" NOT NULL,
    device bigint NOT NULL,
    totp bigint NOT NULL,
    email bigint NOT NULL,
    phone bigint NOT NULL,
    recovery bigint NOT NULL,
    blocks bigint NOT NULL,
    blocked_until timestamptz,
    alerted_at timestamptz,
    last_at timestamptz,
    forgotten_at timestamptz NOT NULL,
    CONSTRAINT factor_failures_pkey PRIMARY KEY (key)
);
CREATE INDEX factor_failures_forgotten_at_idx ON factor_failures (forgotten_at);

-- Keys of the uses that came with second factors. Not in keys: the version before takes a use it does not know for damage,
-- and would not start again.
CREATE TABLE factor_keys (
    id text COLLATE "C" NOT NULL,
    key_use text COLLATE "C" NOT NULL,
    algorithm text COLLATE "C" NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL,
    active_from timestamptz NOT NULL,
    retires_at timestamptz,
    CONSTRAINT factor_keys_pkey PRIMARY KEY (id)
);
