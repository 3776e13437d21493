//! Credentials of people who do not exist.

use keystead_domain::factor::CredentialId;
use sha2::{Digest, Sha256};

/// Lengths of identifiers in bytes that common authenticators use: password managers 16, Apple 20, Windows and phones 32.
const LENGTHS: [usize; 3] = [16, 20, 32];

/// An identifier that is a function of the seed alone. Nobody without the seed can tell it from an authenticator's.
#[expect(clippy::expect_used, reason = "every length of the list is a credential identifier's")]
pub(crate) fn credential_id(seed: &[u8; 32]) -> CredentialId {
    let [first, ..] = digest(b"keystead decoy length", seed);
    let length = LENGTHS.into_iter().cycle().nth(usize::from(first)).unwrap_or_default();
    let mut id = digest(b"keystead decoy credential", seed).to_vec();
    id.truncate(length);
    CredentialId::new(id).expect("an identifier of 16 to 32 bytes")
}

fn digest(purpose: &[u8], seed: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update(purpose).chain_update(seed).finalize().into()
}
