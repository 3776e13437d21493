-- What somebody did.
CREATE INDEX audit_events_actor_id_idx ON audit_events (actor_id, id) WHERE actor_id IS NOT NULL;
