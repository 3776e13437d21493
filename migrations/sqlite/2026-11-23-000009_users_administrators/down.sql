DROP INDEX users_administrators_idx;
