//! The 4096-bit group of RFC 5054 appendix A, in OpenSSL's numbers.

use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::error::ErrorStack;
use openssl::sha::Sha256;

/// Bytes of N.
const WIDTH: i32 = 512;

/// N, g and room to compute.
pub(super) struct Group {
    modulus: BigNum,
    generator: BigNum,
    context: BigNumContext,
}

/// SHA-256 of the parts one after the other.
pub(super) fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finish()
}

/// PAD: at the width of N.
pub(super) fn pad(number: &BigNumRef) -> Result<Vec<u8>, ErrorStack> {
    number.to_vec_padded(WIDTH)
}

impl Group {
    /// The group. OpenSSL has its prime as group 16 of RFC 3526, which RFC 5054 takes it from.
    pub(super) fn new() -> Result<Self, ErrorStack> {
        Ok(Self {
            modulus: BigNum::get_rfc3526_prime_4096()?,
            generator: BigNum::from_u32(5)?,
            context: BigNumContext::new()?,
        })
    }

    /// v = g^x, without leading zeros.
    pub(super) fn verifier(&mut self, x: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let x = BigNum::from_slice(x)?;
        Ok(self.power(&x)?.to_vec())
    }

    /// g^exponent.
    pub(super) fn power(&mut self, exponent: &BigNumRef) -> Result<BigNum, ErrorStack> {
        let mut power = BigNum::new()?;
        power.mod_exp(&self.generator, exponent, &self.modulus, &mut self.context)?;
        Ok(power)
    }

    /// Whether a number is zero modulo N.
    pub(super) fn is_zero(&mut self, number: &BigNumRef) -> Result<bool, ErrorStack> {
        let mut rest = BigNum::new()?;
        rest.nnmod(number, &self.modulus, &mut self.context)?;
        Ok(rest.num_bits() == 0)
    }

    /// B - k · g^x, which is g^b when the password is right.
    pub(super) fn base(&mut self, server_key: &BigNumRef, x: &BigNumRef) -> Result<BigNum, ErrorStack> {
        let k = BigNum::from_slice(&hash(&[&pad(&self.modulus)?, &pad(&self.generator)?]))?;
        let verifier = self.power(x)?;
        let (mut known, mut base) = (BigNum::new()?, BigNum::new()?);
        known.mod_mul(&k, &verifier, &self.modulus, &mut self.context)?;
        base.mod_sub(server_key, &known, &self.modulus, &mut self.context)?;
        Ok(base)
    }

    /// S = base^(a + ux).
    pub(super) fn premaster(
        &mut self,
        base: &BigNumRef,
        x: &BigNumRef,
        secret: &BigNumRef,
        scrambler: &BigNumRef,
    ) -> Result<BigNum, ErrorStack> {
        let (mut product, mut exponent, mut premaster) = (BigNum::new()?, BigNum::new()?, BigNum::new()?);
        product.checked_mul(scrambler, x, &mut self.context)?;
        exponent.checked_add(&product, secret)?;
        premaster.mod_exp(base, &exponent, &self.modulus, &mut self.context)?;
        Ok(premaster)
    }

    /// H(N) xor H(g), or H(PAD(g)).
    pub(super) fn mark(&self, is_padded: bool) -> Result<Vec<u8>, ErrorStack> {
        let generator = if is_padded { pad(&self.generator)? } else { self.generator.to_vec() };
        let pairs = hash(&[&pad(&self.modulus)?]).into_iter().zip(hash(&[&generator]));
        Ok(pairs.map(|(modulus, generator)| modulus ^ generator).collect())
    }
}
