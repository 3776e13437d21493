//! The relying party against an authenticator and a client written here, with keys and signatures of another library. The
//! tests named `w01` to `w07` are the attacks of those numbers; what needs a store (a challenge that is taken once, an
//! identifier that is registered already) is tested where the store is.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests, outside of #[test] functions")]

mod answers;
mod assertion;
mod attacks;
mod authenticator;
mod options;
mod software;
mod vectors;
mod vectors_keys;
