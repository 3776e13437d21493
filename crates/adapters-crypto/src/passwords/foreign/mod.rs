//! Functions other systems hash passwords with, and the one text each of their hashes is kept as.
//!
//! | function | stored text |
//! |---|---|
//! | bcrypt | `$2b$12$…`, with the prefix it came with; Django's over SHA-256: `bcrypt_sha256$$2b$12$…` |
//! | PBKDF2 | `$pbkdf2-sha256$i=600000,l=32$salt$tag` (PHC) |
//! | scrypt | `$scrypt$ln=17,r=8,p=1$salt$tag` (PHC) |
//! | salted SHA | `{SSHA256}…` (RFC 2307) |
//!
//! They are checked, never made: whoever signs in gets a hash of ours.

mod bcrypt;
mod pbkdf2;
mod salted_sha;
mod scrypt;

use keystead_application::ports::HashRefusal;
use openssl::hash::{Hasher, MessageDigest};
use subtle::ConstantTimeEq as _;

use super::phc::Failed;
pub(super) use bcrypt::Bcrypt;
pub(super) use pbkdf2::Pbkdf2;
pub(super) use salted_sha::SaltedSha;
pub(super) use scrypt::Scrypt;

/// Shorter salts hardly are any. OpenLDAP's have four bytes.
const MIN_SALT: usize = 4;
const MAX_SALT: usize = 256;
/// Shorter tags are found by chance. The longest is SHA-512's.
pub(super) const MIN_TAG: usize = 16;
const MAX_TAG: usize = 64;

/// A hash function of the SHA family (FIPS 180-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sha {
    One,
    Two256,
    Two512,
}

impl Sha {
    pub(super) const ALL: [Self; 3] = [Self::One, Self::Two256, Self::Two512];

    /// Bytes of a digest.
    pub(super) const fn size(self) -> usize {
        match self {
            Self::One => 20,
            Self::Two256 => 32,
            Self::Two512 => 64,
        }
    }

    fn openssl(self) -> MessageDigest {
        match self {
            Self::One => MessageDigest::sha1(),
            Self::Two256 => MessageDigest::sha256(),
            Self::Two512 => MessageDigest::sha512(),
        }
    }

    /// The digest of these parts, one behind the other.
    fn digest(self, parts: &[&[u8]]) -> Result<Vec<u8>, Failed> {
        let mut hasher = Hasher::new(self.openssl()).map_err(|_| Failed)?;
        for part in parts {
            hasher.update(part).map_err(|_| Failed)?;
        }
        Ok(hasher.finish().map_err(|_| Failed)?.to_vec())
    }
}

/// Refuses salts and tags that protect nobody.
fn check(salt: &[u8], tag: &[u8]) -> Result<(), HashRefusal> {
    if salt.is_empty() {
        return Err(HashRefusal::Unsalted);
    }
    let sound = (MIN_SALT..=MAX_SALT).contains(&salt.len()) && (MIN_TAG..=MAX_TAG).contains(&tag.len());
    if sound { Ok(()) } else { Err(HashRefusal::Malformed) }
}

/// In constant time.
fn equal(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// A number written in one way: digits only, no leading zero.
pub(super) fn decimal(text: &str) -> Result<u32, HashRefusal> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !(text.len() > 1 && text.starts_with('0'));
    let number = if plain { text.parse().ok() } else { None };
    // What is all digits and no `u32` is too large for every parameter there is.
    match number {
        Some(number) => Ok(number),
        None if plain && !text.is_empty() => Err(HashRefusal::TooCostly),
        None => Err(HashRefusal::Malformed),
    }
}

/// The parts between separators, exactly so many.
pub(super) fn parts<const N: usize>(text: &str, separator: char) -> Result<[&str; N], HashRefusal> {
    let parts: Vec<&str> = text.split(separator).collect();
    parts.try_into().map_err(|_| HashRefusal::Malformed)
}
