DROP INDEX IF EXISTS users_status_created_at_idx;
