-- Logins of everybody, and those that are too old to be kept.
CREATE INDEX login_history_at_idx ON login_history (at, token_id);
