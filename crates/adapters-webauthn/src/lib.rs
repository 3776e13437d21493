//! Passkeys: [`WebAuthn`] is a relying party (WebAuthn Level 3 sections 7.1 and 7.2) behind the port `PasskeyVerifier`.
//!
//! Signatures, attestation statements and most steps of the two ceremonies are checked by webauthn-rs-core. This crate
//! checks before it what the library is lenient about, and what must not depend on a library's defaults:
//!
//! | module | what it is strict about |
//! |---|---|
//! | `relying_party` | origins are compared as texts; nothing is derived from a suffix |
//! | `answer` | size, form, `id` = `rawId`, base64url without padding |
//! | `client_data` | type, challenge, origin, `crossOrigin` and `topOrigin`, in both ceremonies |
//! | `cbor` | definite lengths, bounded depth, nothing behind the end |
//! | `authenticator_data` | UP, BE and BS, lengths, identifiers of at most 1023 bytes, nothing behind the end |
//!
//! Attestation is asked for as `none`, so a statement proves nothing here. `none`, `packed` and `fido-u2f` are taken, the
//! latter two only if their signature is right; the formats of platforms are refused, because no client that was asked for
//! `none` sends them and their parsers are the largest part of the library. Keys are ES256 or RS256 with 2048 bits; Ed25519 and ES384 are not offered.
//! Cross-origin ceremonies are refused, with or without `topOrigin`.
//!
//! Not checked here, because it takes a store: that a challenge is answered once and in time, and that a credential is not
//! registered already.

mod answer;
mod assertion;
mod authenticator_data;
mod cbor;
mod client_data;
mod decoy;
mod public_key;
mod registration;
mod relying_party;
mod vendors;
mod webauthn;

pub use relying_party::ConfigError;
pub use webauthn::WebAuthn;
