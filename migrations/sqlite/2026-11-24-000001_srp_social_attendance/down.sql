-- What has no place in the older tables is lost: attendance, and with SRP credentials and accounts elsewhere the way in of
-- people who have no other. They reset their password. Claims are made again.
DROP TABLE leases;
DROP TABLE attendances;
DROP TABLE social_identities;
DROP TABLE srp_credentials;
DELETE FROM pending_registrations WHERE srp IS NOT NULL OR social_provider IS NOT NULL;
ALTER TABLE pending_registrations DROP COLUMN social_label;
ALTER TABLE pending_registrations DROP COLUMN social_subject;
ALTER TABLE pending_registrations DROP COLUMN social_provider;
ALTER TABLE pending_registrations DROP COLUMN srp;
