-- People of one standing in the order of lists.
CREATE INDEX users_status_created_at_idx ON users (status, created_at, id);
