ALTER TABLE sessions DROP COLUMN impersonator;
