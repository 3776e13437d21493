//! The 4096-bit group of RFC 5054 appendix A, in num-bigint's numbers.

use keystead_domain::srp::{GENERATOR, MODULUS};
use num_bigint::BigUint;
use sha2::{Digest as _, Sha256};

/// N and g.
pub(super) struct Group {
    modulus: BigUint,
    generator: BigUint,
}

/// SHA-256 of the parts one after the other.
pub(super) fn hash(parts: &[&[u8]]) -> [u8; 32] {
    Sha256::digest(parts.concat()).into()
}

/// PAD: at the width of N. `None` when the number is wider.
pub(super) fn pad(number: &BigUint) -> Option<Vec<u8>> {
    let bytes = number.to_bytes_be();
    let zeros = MODULUS.len().checked_sub(bytes.len())?;
    Some([vec![0; zeros], bytes].concat())
}

impl Group {
    /// The group.
    pub(super) fn new() -> Self {
        Self { modulus: BigUint::from_bytes_be(&MODULUS), generator: BigUint::from(GENERATOR) }
    }

    /// v = g^x, without leading zeros.
    pub(super) fn verifier(&self, x: &[u8]) -> Vec<u8> {
        self.power(&BigUint::from_bytes_be(x)).to_bytes_be()
    }

    /// g^exponent.
    pub(super) fn power(&self, exponent: &BigUint) -> BigUint {
        self.generator.modpow(exponent, &self.modulus)
    }

    /// Whether a number is zero modulo N.
    pub(super) fn is_zero(&self, number: &BigUint) -> bool {
        number % &self.modulus == BigUint::ZERO
    }

    /// B - k · g^x, which is g^b when the password is right.
    pub(super) fn base(&self, server_key: &BigUint, x: &BigUint) -> BigUint {
        let k = BigUint::from_bytes_be(&hash(&[&MODULUS, &self.padded_generator()]));
        let known = k * self.power(x) % &self.modulus;
        (server_key + &self.modulus - known) % &self.modulus
    }

    /// S = base^(a + ux).
    pub(super) fn premaster(&self, base: &BigUint, x: &BigUint, secret: &BigUint, scrambler: &BigUint) -> BigUint {
        base.modpow(&(secret + scrambler * x), &self.modulus)
    }

    /// H(N) xor H(g), or H(PAD(g)).
    pub(super) fn mark(&self, is_padded: bool) -> Vec<u8> {
        let generator = if is_padded { self.padded_generator() } else { self.generator.to_bytes_be() };
        let pairs = hash(&[&MODULUS]).into_iter().zip(hash(&[&generator]));
        pairs.map(|(modulus, generator)| modulus ^ generator).collect()
    }

    fn padded_generator(&self) -> Vec<u8> {
        pad(&self.generator).unwrap_or_default()
    }
}
