use thiserror::Error;

/// The parameters of scrypt (RFC 7914 section 2) that the client stretches the password with. 32 bytes are derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SrpKdf {
    /// N, the cost: a power of two.
    pub n: u32,
    /// r, the block size.
    pub r: u32,
    /// p, the parallelisation.
    pub p: u32,
}

/// Why parameters are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KdfRefusal {
    /// Guessing would be cheaper than it may be.
    #[error(
        "the scrypt parameters are below the floor: N at least 131072 with p 1, 65536 with 2, 32768 with 3 or 16384 with 5"
    )]
    TooCheap,
    /// Not scrypt's, or more than a client can be asked for.
    #[error("the scrypt parameters are out of range: N a power of two up to 1048576, r 8, p up to 16")]
    OutOfRange,
}

impl SrpKdf {
    /// What new credentials are told to use.
    pub const DEFAULT: Self = Self { n: 1 << 17, r: 8, p: 1 };
    /// Pairs of N and the least p: each costs whoever guesses the same (OWASP Password Storage Cheat Sheet).
    const FLOOR: [(u32, u32); 4] = [(1 << 17, 1), (1 << 16, 2), (1 << 15, 3), (1 << 14, 5)];
    /// The largest N: 1 GiB of memory.
    const MOST: u32 = 1 << 20;
    /// The largest p.
    const MOST_PARALLEL: u32 = 16;

    /// Checks the parameters of a new credential.
    pub fn try_new(n: u32, r: u32, p: u32) -> Result<Self, KdfRefusal> {
        let kdf = Self::try_imported(n, r, p)?;
        if Self::FLOOR.iter().any(|&(least, parallel)| n >= least && p >= parallel) {
            Ok(kdf)
        } else {
            Err(KdfRefusal::TooCheap)
        }
    }

    /// Checks the parameters of a credential made elsewhere, for which N = 2^14 with p = 1 is enough.
    pub fn try_imported(n: u32, r: u32, p: u32) -> Result<Self, KdfRefusal> {
        if !n.is_power_of_two() || n > Self::MOST || r != 8 || p == 0 || p > Self::MOST_PARALLEL {
            return Err(KdfRefusal::OutOfRange);
        }
        if n < 1 << 14 {
            return Err(KdfRefusal::TooCheap);
        }
        Ok(Self { n, r, p })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_the_same_for_every_shape() {
        for (n, p) in [(1 << 17, 1), (1 << 16, 2), (1 << 15, 3), (1 << 14, 5), (1 << 18, 1), (1 << 20, 16)] {
            assert_eq!(SrpKdf::try_new(n, 8, p), Ok(SrpKdf { n, r: 8, p }), "{n} {p}");
        }
        for (n, p) in [(1 << 16, 1), (1 << 15, 2), (1 << 14, 4), (1 << 14, 1), (1 << 13, 16), (2, 1)] {
            assert_eq!(SrpKdf::try_new(n, 8, p), Err(KdfRefusal::TooCheap), "{n} {p}");
        }
    }

    #[test]
    fn what_no_client_should_be_asked_for_is_refused() {
        for (n, r, p) in
            [(0, 8, 1), ((1 << 17) + 1, 8, 1), (1 << 21, 8, 1), (1 << 17, 16, 1), (1 << 17, 8, 0), (1 << 17, 8, 17)]
        {
            assert_eq!(SrpKdf::try_new(n, r, p), Err(KdfRefusal::OutOfRange), "{n} {r} {p}");
        }
        assert!(SrpKdf::try_imported(1 << 14, 8, 1).is_ok());
        assert!(SrpKdf::try_imported(1 << 13, 8, 1).is_err());
    }
}
