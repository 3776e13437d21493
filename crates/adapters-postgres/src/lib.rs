//! Keystead's store for many replicas: PostgreSQL.
