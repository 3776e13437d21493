-- What somebody did as somebody else: few rows.
CREATE INDEX audit_events_impersonator_id_idx ON audit_events (impersonator_id, id) WHERE impersonator_id IS NOT NULL;
