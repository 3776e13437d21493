-- Also PostgreSQL's form of these changes keeps to what the version before can serve beside; see there.

ALTER TABLE users ALTER COLUMN email DROP NOT NULL;
ALTER TABLE users ADD COLUMN phone TEXT;
-- NULL: the user's own identifier, as of the contact an account came to be with.
ALTER TABLE users ADD COLUMN email_contact_id BLOB;
ALTER TABLE users ADD COLUMN phone_contact_id BLOB;
ALTER TABLE users ADD COLUMN email_otp INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN phone_otp INTEGER NOT NULL DEFAULT 0;

-- A claim to a number has it in the column email, as in PostgreSQL.
ALTER TABLE pending_registrations ALTER COLUMN password DROP NOT NULL;
ALTER TABLE pending_registrations ADD COLUMN kind TEXT NOT NULL DEFAULT 'email';

ALTER TABLE link_tokens ADD COLUMN factor_proved INTEGER NOT NULL DEFAULT 0;

-- A pending secret waits beside the confirmed one.
CREATE TABLE totp (
    user_id BLOB NOT NULL,
    sealed BLOB,
    last_step INTEGER,
    confirmed_at INTEGER,
    pending BLOB,
    pending_expires_at INTEGER,
    CONSTRAINT totp_pkey PRIMARY KEY (user_id),
    CONSTRAINT totp_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT totp_pending_check CHECK ((pending IS NULL) = (pending_expires_at IS NULL))
) STRICT, WITHOUT ROWID;

-- The selector is the first group of a code; hash is the password hash of the rest.
CREATE TABLE recovery_codes (
    user_id BLOB NOT NULL,
    selector TEXT NOT NULL,
    hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    CONSTRAINT recovery_codes_pkey PRIMARY KEY (user_id, selector),
    CONSTRAINT recovery_codes_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;

-- credential is in the verifier's own form. No secret.
CREATE TABLE passkeys (
    id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    credential_id BLOB NOT NULL,
    name TEXT NOT NULL,
    credential BLOB NOT NULL,
    counter INTEGER NOT NULL,
    aaguid BLOB NOT NULL,
    backup_eligible INTEGER NOT NULL,
    backed_up INTEGER NOT NULL,
    user_verified INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    CONSTRAINT passkeys_pkey PRIMARY KEY (id),
    CONSTRAINT passkeys_credential_id_key UNIQUE (credential_id),
    CONSTRAINT passkeys_id_check CHECK (length(id) = 16),
    CONSTRAINT passkeys_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;
CREATE INDEX passkeys_user_id_idx ON passkeys (user_id, created_at, id);

-- Addresses that are not proved yet. Those that were are columns of users.
CREATE TABLE pending_contacts (
    id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    address TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    CONSTRAINT pending_contacts_pkey PRIMARY KEY (id),
    CONSTRAINT pending_contacts_id_check CHECK (length(id) = 16),
    CONSTRAINT pending_contacts_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;
CREATE INDEX pending_contacts_user_id_idx ON pending_contacts (user_id, created_at, id);
CREATE INDEX pending_contacts_expires_at_idx ON pending_contacts (expires_at);

CREATE TABLE contact_undos (
    hash BLOB NOT NULL,
    user_id BLOB NOT NULL,
    contact_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    address TEXT NOT NULL,
    otp_enabled INTEGER NOT NULL,
    other_contact_id BLOB,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    CONSTRAINT contact_undos_pkey PRIMARY KEY (hash),
    CONSTRAINT contact_undos_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT contact_undos_hash_check CHECK (length(hash) = 32)
) STRICT, WITHOUT ROWID;
CREATE INDEX contact_undos_user_id_idx ON contact_undos (user_id);
CREATE INDEX contact_undos_expires_at_idx ON contact_undos (expires_at);

-- Failures of each factor, under a key that names an account and perhaps a device.
CREATE TABLE factor_failures (
    key TEXT NOT NULL,
    device INTEGER NOT NULL,
    totp INTEGER NOT NULL,
    email INTEGER NOT NULL,
    phone INTEGER NOT NULL,
    recovery INTEGER NOT NULL,
    blocks INTEGER NOT NULL,
    blocked_until INTEGER,
    alerted_at INTEGER,
    last_at INTEGER,
    forgotten_at INTEGER NOT NULL,
    CONSTRAINT factor_failures_pkey PRIMARY KEY (key)
) STRICT, WITHOUT ROWID;
CREATE INDEX factor_failures_forgotten_at_idx ON factor_failures (forgotten_at);

-- Keys of the uses that came with second factors. Not in keys: the version before takes a use it does not know for damage,
-- and would not start again.
CREATE TABLE factor_keys (
    id TEXT NOT NULL,
    key_use TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    active_from INTEGER NOT NULL,
    retires_at INTEGER,
    CONSTRAINT factor_keys_pkey PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
