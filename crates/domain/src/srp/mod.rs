//! SRP-6a (RFC 5054, RFC 2945): the person's client proves that it knows the password, the server that it knows the
//! verifier, and the password never leaves the client.

mod credential;
mod group;
mod kdf;
mod values;

pub use credential::SrpCredential;
pub use group::{GENERATOR, MODULUS};
pub use kdf::{KdfRefusal, SrpKdf};
pub use values::{SrpIdentity, SrpProof, SrpPublicKey, SrpRefusal, SrpSalt, SrpVerifier};
