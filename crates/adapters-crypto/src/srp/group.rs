//! Arithmetic modulo N, in constant time for values of the same width.

use std::sync::atomic::{AtomicU64, Ordering};

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use zeroize::{Zeroize as _, Zeroizing};

/// A group of RFC 5054 appendix A. Values go in and come out as big-endian bytes.
pub(super) struct Group {
    params: BoxedMontyParams,
    /// PAD(g): g at the width of N.
    generator: Box<[u8]>,
    modulus: Box<[u8]>,
    exponentiations: AtomicU64,
}

/// An integer modulo N, wiped when dropped.
pub(super) struct Residue(BoxedMontyForm);

impl Drop for Residue {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Group {
    /// The group of a modulus, which is odd and of a whole number of 64-bit words, and a generator.
    pub(super) fn new(modulus: &[u8], generator: u8) -> Option<Self> {
        let number = BoxedUint::from_be_slice_vartime(modulus);
        if modulus.is_empty() || number.to_be_bytes().len() != modulus.len() {
            return None;
        }
        // N is public: nothing to hide from the clock.
        let params = BoxedMontyParams::new_vartime(Option::from(Odd::new(number))?);
        let mut padded = vec![0; modulus.len()];
        *padded.last_mut()? = generator;
        Some(Self { params, generator: padded.into(), modulus: modulus.into(), exponentiations: AtomicU64::new(0) })
    }

    /// N.
    pub(super) fn modulus(&self) -> &[u8] {
        &self.modulus
    }

    /// PAD(g).
    pub(super) fn generator(&self) -> &[u8] {
        &self.generator
    }

    /// The residue of a number below N. Of a longer text the last bytes count: callers have checked.
    pub(super) fn residue(&self, bytes: &[u8]) -> Residue {
        let number = BoxedUint::from_be_slice_truncated(bytes, self.params.bits_precision());
        Residue(BoxedMontyForm::new(number, &self.params))
    }

    /// base^exponent. The time depends on the length of the exponent in bytes, not on its value.
    pub(super) fn pow(&self, base: &Residue, exponent: &[u8]) -> Residue {
        self.exponentiations.fetch_add(1, Ordering::Relaxed);
        let bits = u32::try_from(exponent.len()).unwrap_or(u32::MAX).saturating_mul(8);
        let exponent = Zeroizing::new(BoxedUint::from_be_slice_truncated(exponent, bits));
        Residue(base.0.pow(&exponent))
    }

    /// g^exponent, as [`Self::pow`].
    pub(super) fn pow_generator(&self, exponent: &[u8]) -> Residue {
        self.pow(&self.residue(&self.generator), exponent)
    }

    /// How many powers were computed since the start.
    pub(super) fn exponentiations(&self) -> u64 {
        self.exponentiations.load(Ordering::Relaxed)
    }
}

impl Residue {
    /// self + other.
    pub(super) fn plus(&self, other: &Self) -> Self {
        Self(self.0.add(&other.0))
    }

    /// self · other.
    pub(super) fn times(&self, other: &Self) -> Self {
        Self(self.0.mul(&other.0))
    }

    /// The number, at the width of N.
    pub(super) fn to_bytes(&self) -> Zeroizing<Box<[u8]>> {
        let number = Zeroizing::new(self.0.retrieve());
        Zeroizing::new(number.to_be_bytes())
    }
}
