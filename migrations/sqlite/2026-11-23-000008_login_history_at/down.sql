DROP INDEX login_history_at_idx;
