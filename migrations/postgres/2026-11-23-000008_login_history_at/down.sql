DROP INDEX IF EXISTS login_history_at_idx;
