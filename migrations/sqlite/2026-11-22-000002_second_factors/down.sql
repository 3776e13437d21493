-- Accounts without an e-mail address, and claims without one or without a password, have no place in the older tables.
-- Their owners would lose them: this fails while there are such accounts. Claims are made again.
DROP TABLE factor_keys;
DROP TABLE factor_failures;
DROP TABLE contact_undos;
DROP TABLE pending_contacts;
DROP TABLE passkeys;
DROP TABLE recovery_codes;
DROP TABLE totp;
ALTER TABLE link_tokens DROP COLUMN factor_proved;
DELETE FROM pending_registrations WHERE kind <> 'email' OR password IS NULL;
ALTER TABLE pending_registrations DROP COLUMN kind;
ALTER TABLE pending_registrations ALTER COLUMN password SET NOT NULL;
ALTER TABLE users ALTER COLUMN email SET NOT NULL;
ALTER TABLE users DROP COLUMN phone_otp;
ALTER TABLE users DROP COLUMN email_otp;
ALTER TABLE users DROP COLUMN phone_contact_id;
ALTER TABLE users DROP COLUMN email_contact_id;
ALTER TABLE users DROP COLUMN phone;
