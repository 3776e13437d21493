//! The server's half of SRP-6a for one group and one hash function.
//!
//! ```text
//! B = kv + g^b      u = H(PAD(A) ‖ PAD(B))      S = (A · v^u)^b      K = H(S)
//! M1 = H(H(N) xor H(g) ‖ H(I) ‖ s ‖ A ‖ B ‖ K)                      M2 = H(A ‖ M1 ‖ K)
//! ```

use sha2::Digest;
use sha2::digest::Output;
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::{Zeroize as _, Zeroizing};

use super::group::{Group, Residue};

/// What a proof is about. Numbers are big-endian and at the width of N, unless something else is said.
pub(super) struct Exchange<'a> {
    /// I.
    pub(super) identity: &'a [u8],
    /// s.
    pub(super) salt: &'a [u8],
    /// v.
    pub(super) verifier: &'a [u8],
    /// b, of any width.
    pub(super) secret: &'a [u8],
    /// A, not zero.
    pub(super) client_key: &'a [u8],
}

/// What both sides know when they have the same password.
pub(super) struct Shared<D: Digest> {
    /// B.
    pub(super) server_key: Zeroizing<Box<[u8]>>,
    /// u.
    pub(super) scrambler: Output<D>,
    /// S.
    pub(super) premaster: Zeroizing<Box<[u8]>>,
}

/// A group with what depends on nothing else.
pub(super) struct Protocol<D: Digest> {
    pub(super) group: Group,
    multiplier: Residue,
    /// H(N) xor H(PAD(g)), as RFC 5054 pads; then H(N) xor H(g), as RFC 2945 does not.
    marks: [Output<D>; 2],
}

impl<D: Digest> Protocol<D> {
    /// The protocol in a group, whose N is longer than an output of the hash.
    pub(super) fn new(group: Group) -> Self {
        let multiplier = group.residue(&hash::<D>(&[group.modulus(), group.generator()]));
        let marks = [group.generator(), minimal(group.generator())].map(|generator| {
            let mut mark = hash::<D>(&[group.modulus()]);
            mark.iter_mut().zip(hash::<D>(&[generator])).for_each(|(byte, other)| *byte ^= other);
            mark
        });
        Self { group, multiplier, marks }
    }

    /// B of v and b. `None` when it is zero, at which clients stop (RFC 5054 section 2.5.3): draw another b.
    pub(super) fn server_key(&self, verifier: &[u8], secret: &[u8]) -> Option<Zeroizing<Box<[u8]>>> {
        let key = self.public_key(&self.group.residue(verifier), secret);
        key.iter().any(|byte| *byte != 0).then_some(key)
    }

    /// kv + g^b.
    fn public_key(&self, verifier: &Residue, secret: &[u8]) -> Zeroizing<Box<[u8]>> {
        self.multiplier.times(verifier).plus(&self.group.pow_generator(secret)).to_bytes()
    }

    /// B, u and S. Three powers, whatever the values are.
    pub(super) fn share(&self, exchange: &Exchange<'_>) -> Shared<D> {
        let verifier = self.group.residue(exchange.verifier);
        let server_key = self.public_key(&verifier, exchange.secret);
        let scrambler = hash::<D>(&[exchange.client_key, &server_key]);
        let base = self.group.residue(exchange.client_key).times(&self.group.pow(&verifier, &scrambler));
        let premaster = self.group.pow(&base, exchange.secret).to_bytes();
        Shared { server_key, scrambler, premaster }
    }

    /// M2 when `proof` is M1 in either form, and u is not zero: with that S would not depend on v. The work is the same
    /// whatever the answer.
    pub(super) fn check(&self, exchange: &Exchange<'_>, proof: &[u8]) -> Option<Output<D>> {
        let Shared { server_key, scrambler, premaster } = self.share(exchange);
        let (client_key, server_key) = (minimal(exchange.client_key), minimal(&server_key));
        // How long S is shows to whoever can measure a hash of 511 bytes against one of 512; the interoperable form of K
        // asks for that, and it says nothing of the password.
        let mut digest = hash::<D>(&[minimal(&premaster)]);
        let session_key = Zeroizing::new(digest.to_vec());
        digest.as_mut_slice().zeroize();
        let identity = hash::<D>(&[exchange.identity]);
        let mut accepted = Choice::from(0);
        for mark in &self.marks {
            let own = hash::<D>(&[mark, &identity, exchange.salt, client_key, server_key, &session_key]);
            accepted |= own.as_slice().ct_eq(proof);
        }
        accepted &= !scrambler.as_slice().ct_eq(Output::<D>::default().as_slice());
        let answer = hash::<D>(&[client_key, proof, &session_key]);
        bool::from(accepted).then_some(answer)
    }
}

/// H of the parts one after the other.
pub(super) fn hash<D: Digest>(parts: &[&[u8]]) -> Output<D> {
    parts.iter().fold(D::new(), D::chain_update).finalize()
}

/// Without leading zero bytes.
pub(super) fn minimal(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}
