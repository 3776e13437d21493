DROP INDEX IF EXISTS users_administrators_idx;
