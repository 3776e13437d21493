use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use keystead_application::ports::HashRefusal;
use zeroize::Zeroizing;

use super::{Sha, decimal, equal, parts};
use crate::passwords::phc::Failed;

/// bcrypt's own base 64. Some writers leave junk in the bits of the last digit that carry nothing; it is dropped.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::BCRYPT,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);
/// What Django writes in front of a bcrypt hash of a SHA-256 digest.
const DJANGO_SHA256: &str = "bcrypt_sha256$";
/// Costs there are, up to one that takes seconds: each step doubles it.
const COSTS: std::ops::RangeInclusive<u32> = 4..=16;
/// Bytes of a password bcrypt looks at, the NUL at its end included.
const LOOKED_AT: usize = 72;
const SALT: usize = 16;
const TAG: usize = 23;

/// A bcrypt hash (Provos and Mazières, 1999).
///
/// - `$2a$`, `$2b$` and `$2y$` are checked alike: they differ in bugs of single programs only (passwords of more than 255
///   bytes; bytes above 127 of PHP before 5.3.7 are `$2x$`, which is refused).
/// - Of a password, the first 72 bytes count, as everywhere bcrypt is used: who chose a longer one still gets in. Their
///   next hash, ours, is made over all of it.
/// - A password with a NUL in it is wrong: the programs that took one cut it off there, and `abc` must not open for
///   everything that begins with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::passwords) struct Bcrypt {
    /// `a`, `b` or `y`.
    variant: char,
    /// Made over the hexadecimal SHA-256 of the password (Django).
    over_sha256: bool,
    cost: u32,
    salt: [u8; SALT],
    tag: [u8; TAG],
}

impl Bcrypt {
    /// Reads a hash, with Django's prefix or without.
    pub(in crate::passwords) fn parse(text: &str) -> Result<Self, HashRefusal> {
        let (over_sha256, text) = text.strip_prefix(DJANGO_SHA256).map_or((false, text), |rest| (true, rest));
        let ["", variant, cost, rest] = parts(text, '$')? else { return Err(HashRefusal::Malformed) };
        let variant = match variant {
            "2a" => 'a',
            "2b" => 'b',
            "2y" => 'y',
            _ => return Err(HashRefusal::Unknown),
        };
        // Two digits always.
        let cost = match cost.strip_prefix('0').unwrap_or(cost) {
            digits if cost.len() == 2 => decimal(digits)?,
            _ => return Err(HashRefusal::Malformed),
        };
        if !COSTS.contains(&cost) {
            return Err(if cost > *COSTS.end() { HashRefusal::TooCostly } else { HashRefusal::Malformed });
        }
        let halves = if rest.len() == 53 { rest.split_at_checked(22) } else { None };
        let (salt, tag) = halves.ok_or(HashRefusal::Malformed)?;
        let salt = decode(salt).ok_or(HashRefusal::Malformed)?;
        let tag = decode(tag).ok_or(HashRefusal::Malformed)?;
        Ok(Self { variant, over_sha256, cost, salt, tag })
    }

    pub(in crate::passwords) fn text(&self) -> String {
        let Self { variant, cost, .. } = self;
        let prefix = if self.over_sha256 { DJANGO_SHA256 } else { "" };
        format!("{prefix}$2{variant}${cost:02}${}{}", BASE64.encode(self.salt), BASE64.encode(self.tag))
    }

    pub(in crate::passwords) fn matches(&self, password: &[u8]) -> Result<bool, Failed> {
        let mut input = Zeroizing::new(Vec::with_capacity(password.len().max(2 * Sha::Two256.size()) + 1));
        if self.over_sha256 {
            let digest = Sha::Two256.digest(&[password])?;
            input.extend_from_slice(data_encoding::HEXLOWER.encode(&digest).as_bytes());
        } else {
            input.extend_from_slice(password);
        }
        let cut_off = input.contains(&0);
        input.push(0);
        input.truncate(LOOKED_AT);
        let computed = bcrypt::bcrypt(self.cost, self.salt, &input);
        Ok(equal(computed.get(..TAG).unwrap_or_default(), &self.tag) && !cut_off)
    }
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE64.decode(text).ok()?.try_into().ok()
}
