use data_encoding::HEXLOWER;
use num_bigint::BigUint;
use serde_json::{Value, json};

use super::group::{Group, hash, pad};
use super::{Challenge, ClientRefusal, ProofForm};

/// What a client sends, and what it keeps to know the server by.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// A, without leading zeros.
    pub client_key: Vec<u8>,
    /// M1.
    pub proof: [u8; 32],
    /// S, without leading zeros.
    pub premaster: Vec<u8>,
    /// K = H(S).
    pub session_key: [u8; 32],
    sealed: String,
}

/// A challenge with what does not depend on a.
pub(super) struct Prepared<'a> {
    challenge: &'a Challenge,
    group: Group,
    x: BigUint,
    /// B, at its shortest and at the width of N.
    server_key: [Vec<u8>; 2],
    /// B - k · g^x.
    base: BigUint,
    /// H(N) xor H(g).
    mark: Vec<u8>,
}

impl<'a> Prepared<'a> {
    /// Refuses B mod N = 0.
    pub(super) fn new(challenge: &'a Challenge, x: &[u8; 32], form: ProofForm) -> Result<Self, ClientRefusal> {
        let group = Group::new();
        let (server_key, x) = (BigUint::from_bytes_be(&challenge.server_key), BigUint::from_bytes_be(x));
        if group.is_zero(&server_key) {
            return Err(ClientRefusal::UnsafeKey);
        }
        let padded = pad(&server_key).ok_or(ClientRefusal::Malformed("serverPublicKey"))?;
        let base = group.base(&server_key, &x);
        let mark = group.mark(form == ProofForm::Padded);
        Ok(Self { challenge, group, x, server_key: [server_key.to_bytes_be(), padded], base, mark })
    }

    /// A, S, K and M1 of a.
    pub(super) fn login(&self, secret: &[u8]) -> Result<Login, ClientRefusal> {
        let secret = BigUint::from_bytes_be(secret);
        let client_key = self.group.power(&secret);
        let [server_key, padded] = &self.server_key;
        let scrambler = hash(&[&pad(&client_key).unwrap_or_default(), padded]);
        if scrambler == [0; 32] {
            return Err(ClientRefusal::UnsafeKey);
        }
        let scrambler = BigUint::from_bytes_be(&scrambler);
        let premaster = self.group.premaster(&self.base, &self.x, &secret, &scrambler).to_bytes_be();
        let (client_key, session_key) = (client_key.to_bytes_be(), hash(&[&premaster]));
        let identity = hash(&[self.challenge.identity.as_bytes()]);
        let parts: [&[u8]; 6] = [&self.mark, &identity, &self.challenge.salt, &client_key, server_key, &session_key];
        let sealed = self.challenge.sealed.clone();
        Ok(Login { proof: hash(&parts), client_key, premaster, session_key, sealed })
    }
}

impl Login {
    /// The attributes of a login with a name: an address, a number or a name.
    pub fn attributes(&self, login_name: &str) -> Value {
        json!({
            "identity": login_name,
            "clientPublicKey": HEXLOWER.encode(&self.client_key),
            "clientProof": HEXLOWER.encode(&self.proof),
            "sealed": self.sealed,
        })
    }

    /// M2 = H(A ‖ M1 ‖ K): what only a server that has v can say.
    pub fn server_proof(&self) -> [u8; 32] {
        hash(&[&self.client_key, &self.proof, &self.session_key])
    }

    /// Whether `serverProof` of the answer is right. Believe nothing of an answer before.
    pub fn accepts(&self, server_proof: &str) -> bool {
        HEXLOWER.decode(server_proof.as_bytes()).is_ok_and(|proof| proof == self.server_proof())
    }
}
