//! SRP-6a (RFC 5054, RFC 2945): the 4096-bit group and SHA-256, under the permits of password hashes.

mod group;
mod protocol;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use keystead_application::ports::{Entropy, HashError, SrpAnswer, SrpChallenge, SrpServer};
use keystead_domain::SecretBytes;
use keystead_domain::srp::{GENERATOR, MODULUS, SrpProof, SrpPublicKey, SrpVerifier};
use sha2::Sha256;

use crate::passwords::HashPool;
use group::Group;
use protocol::{Exchange, Protocol};

/// Bytes of b (RFC 5054 section 2.5.3 asks for at least 32).
const SECRET_BYTES: usize = 32;

/// The server's side of SRP-6a.
///
/// A challenge takes one power of 256 bits, a check three: some 2 and 6 ms. v, b, S and K are wiped
/// after use; what crypto-bigint and the hash keep on the way is not.
pub struct Srp {
    pool: HashPool,
    entropy: Arc<dyn Entropy>,
    protocol: Arc<Protocol<Sha256>>,
}

impl fmt::Debug for Srp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Srp").finish_non_exhaustive()
    }
}

impl Srp {
    /// Works on the threads of a hasher: [`Argon2Hasher::pool`](crate::Argon2Hasher::pool).
    pub fn new(pool: HashPool, entropy: Arc<dyn Entropy>) -> Self {
        let Some(group) = Group::new(&MODULUS, GENERATOR) else {
            // N is odd and has 512 bytes.
            std::process::abort();
        };
        Self { pool, entropy, protocol: Arc::new(Protocol::new(group)) }
    }

    /// How many powers modulo N were computed since the start: one a challenge, three a check.
    pub fn exponentiations(&self) -> u64 {
        self.protocol.group.exponentiations()
    }
}

#[async_trait]
impl SrpServer for Srp {
    async fn challenge(&self, verifier: &SrpVerifier) -> Result<SrpChallenge, HashError> {
        let (protocol, entropy, verifier) = (Arc::clone(&self.protocol), Arc::clone(&self.entropy), verifier.clone());
        self.pool.run(move || draw(&protocol, &*entropy, &verifier)).await
    }

    async fn verify(&self, answer: SrpAnswer) -> Result<Option<SrpProof>, HashError> {
        let protocol = Arc::clone(&self.protocol);
        self.pool.run(move || check(&protocol, &answer)).await
    }
}

/// Draws b until B is not zero.
fn draw(protocol: &Protocol<Sha256>, entropy: &dyn Entropy, verifier: &SrpVerifier) -> SrpChallenge {
    loop {
        let mut secret = vec![0; SECRET_BYTES];
        entropy.fill(&mut secret);
        let secret = SecretBytes::new(secret);
        let key = protocol.server_key(verifier.expose(), secret.expose());
        if let Some(Ok(public_key)) = key.map(|key| SrpPublicKey::try_from_bytes(&key)) {
            return SrpChallenge { secret, public_key };
        }
    }
}

/// M2, if M1 is right.
fn check(protocol: &Protocol<Sha256>, answer: &SrpAnswer) -> Option<SrpProof> {
    let exchange = Exchange {
        identity: answer.credential.identity.as_str().as_bytes(),
        salt: answer.credential.salt.as_bytes(),
        verifier: answer.credential.verifier.expose(),
        secret: answer.secret.expose(),
        client_key: answer.client_key.as_bytes(),
    };
    protocol.check(&exchange, answer.proof.as_bytes()).map(|proof| SrpProof::from_bytes(proof.into()))
}
