//! The `keystead` binary as a process of its own: commands, signals, crashes.
