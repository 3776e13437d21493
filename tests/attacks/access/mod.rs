//! Z01, Z03 to Z05: other people's things, every route with every kind of caller, other spellings of a path, and roles that
//! were taken away. The callers and the rules are [`crate::authorization`]'s.

mod last_administrator;
mod others;
mod paths;
mod roles;
mod standing;
mod walk;
