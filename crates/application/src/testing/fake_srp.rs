use async_trait::async_trait;
use keystead_domain::SecretBytes;
use keystead_domain::srp::{SrpProof, SrpPublicKey, SrpVerifier};

use crate::ports::{HashError, SrpAnswer, SrpChallenge, SrpServer};

/// SRP without mathematics: the right M1 is [`FakeSrp::proof`], for every challenge.
#[derive(Clone, Copy, Debug, Default)]
pub struct FakeSrp;

impl FakeSrp {
    /// The M1 that is right for a credential.
    pub fn proof(verifier: &SrpVerifier) -> SrpProof {
        let mut proof = [0; 32];
        proof.iter_mut().zip(verifier.expose().iter().rev()).for_each(|(to, from)| *to = *from);
        SrpProof::from_bytes(proof)
    }

    /// The M2 that answers it.
    pub fn server_proof(verifier: &SrpVerifier) -> SrpProof {
        SrpProof::from_bytes(Self::proof(verifier).as_bytes().map(|byte| !byte))
    }

    /// A public key of a client.
    pub fn client_key() -> SrpPublicKey {
        Self::key(7)
    }

    #[expect(clippy::expect_used, reason = "small numbers are in every group")]
    fn key(number: u8) -> SrpPublicKey {
        SrpPublicKey::try_from_bytes(&[number]).expect("a public key")
    }
}

#[async_trait]
impl SrpServer for FakeSrp {
    async fn challenge(&self, _verifier: &SrpVerifier) -> Result<SrpChallenge, HashError> {
        Ok(SrpChallenge { secret: SecretBytes::new(vec![9; 32]), public_key: Self::key(9) })
    }

    async fn verify(&self, answer: SrpAnswer) -> Result<Option<SrpProof>, HashError> {
        let verifier = &answer.credential.verifier;
        Ok((answer.proof == Self::proof(verifier)).then(|| Self::server_proof(verifier)))
    }
}
