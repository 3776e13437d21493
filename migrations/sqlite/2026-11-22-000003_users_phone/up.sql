-- One account per number.
CREATE UNIQUE INDEX users_phone_key ON users (phone);
