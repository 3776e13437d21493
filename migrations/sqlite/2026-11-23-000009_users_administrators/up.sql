-- The few who may more than others.
CREATE INDEX users_administrators_idx ON users (created_at, id) WHERE role <> 'user';
