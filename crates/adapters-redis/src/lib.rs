//! Keystead's passing state for many replicas, in Redis.
