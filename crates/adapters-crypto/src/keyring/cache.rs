//! What was verified before, by the SHA-256 of its text.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use keystead_application::ports::VerifiedAccess;
use moka::sync::Cache;

/// Valid access tokens only, so nobody can fill it with rubbish.
pub(super) type SignatureCache = Cache<[u8; 32], Arc<VerifiedAccess>, FirstBytes>;

/// A cache of at most `capacity` tokens.
pub(super) fn signature_cache(capacity: u64) -> SignatureCache {
    Cache::builder().max_capacity(capacity).build_with_hasher(FirstBytes)
}

/// Hashes a digest by taking its first eight bytes: they are uniform already, and whoever can choose them has broken
/// SHA-256.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FirstBytes;

/// See [`FirstBytes`].
#[derive(Debug, Default)]
pub(super) struct FirstBytesHasher(u64);

impl BuildHasher for FirstBytes {
    type Hasher = FirstBytesHasher;

    fn build_hasher(&self) -> Self::Hasher {
        FirstBytesHasher::default()
    }
}

impl Hasher for FirstBytesHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    /// The length comes first, and is always the same.
    fn write_usize(&mut self, _length: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_hashes_to_its_first_bytes() {
        let digest: [u8; 32] = std::array::from_fn(|i| u8::try_from(i).unwrap());
        assert_eq!(FirstBytes.hash_one(digest), u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7]));
    }
}
