DROP INDEX outbox_due_at_idx;
