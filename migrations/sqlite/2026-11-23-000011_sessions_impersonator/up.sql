-- The administrator who acts as the user. Sessions are Redis' where there is PostgreSQL.
ALTER TABLE sessions ADD COLUMN impersonator BLOB;
