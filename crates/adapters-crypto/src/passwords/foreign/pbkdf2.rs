use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use keystead_application::ports::HashRefusal;
use openssl::pkcs5::pbkdf2_hmac;
use zeroize::Zeroizing;

use super::{Sha, check, decimal, equal, parts};
use crate::passwords::phc::Failed;

/// Rounds of HMAC for one check, beyond what any system asks for (Keystead's neighbours: up to 1.3 million): some seconds.
const MAX_ROUNDS: u64 = 10_000_000;
/// The least RFC 8018 section 4.2 recommends. With fewer, guessing costs about what it costs with salted SHA.
const RECOMMENDED: u32 = 1000;

/// A PBKDF2 hash with HMAC (RFC 8018 section 5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::passwords) struct Pbkdf2 {
    sha: Sha,
    iterations: u32,
    salt: Vec<u8>,
    tag: Vec<u8>,
}

impl Pbkdf2 {
    pub(in crate::passwords) fn try_new(
        sha: Sha,
        iterations: u32,
        salt: Vec<u8>,
        tag: Vec<u8>,
    ) -> Result<Self, HashRefusal> {
        check(&salt, &tag)?;
        if iterations == 0 {
            return Err(HashRefusal::Malformed);
        }
        // A tag longer than a digest is computed digest by digest, each with all iterations.
        let digests = u64::try_from(tag.len().div_ceil(sha.size())).unwrap_or(u64::MAX);
        if u64::from(iterations).saturating_mul(digests) > MAX_ROUNDS {
            return Err(HashRefusal::TooCostly);
        }
        Ok(Self { sha, iterations, salt, tag })
    }

    /// Reads a PHC string (`$pbkdf2-sha256$i=600000,l=32$…`), or passlib's (`$pbkdf2-sha256$29000$…`), whose base 64 has a
    /// `.` where others have a `+`. Without a name of a hash function, both mean SHA-1.
    pub(in crate::passwords) fn parse(text: &str) -> Result<Self, HashRefusal> {
        let ["", name, parameters, salt, tag] = parts(text, '$')? else { return Err(HashRefusal::Malformed) };
        let named = |sha: &Sha| name == Self::name(*sha) || (name == "pbkdf2" && *sha == Sha::One);
        let sha = Sha::ALL.into_iter().find(named).ok_or(HashRefusal::Unknown)?;
        let (iterations, length, adapted) = match parameters.strip_prefix("i=") {
            None => (decimal(parameters)?, None, true),
            Some(rest) => match rest.split_once(",l=") {
                Some((iterations, length)) => (decimal(iterations)?, Some(decimal(length)?), false),
                None => (decimal(rest)?, None, false),
            },
        };
        let decode = |part: &str| {
            let decoded =
                if adapted { STANDARD_NO_PAD.decode(part.replace('.', "+")) } else { STANDARD_NO_PAD.decode(part) };
            decoded.map_err(|_| HashRefusal::Malformed)
        };
        let (salt, tag) = (decode(salt)?, decode(tag)?);
        if length.is_some_and(|length| usize::try_from(length) != Ok(tag.len())) {
            return Err(HashRefusal::Malformed);
        }
        Self::try_new(sha, iterations, salt, tag)
    }

    const fn name(sha: Sha) -> &'static str {
        match sha {
            Sha::One => "pbkdf2-sha1",
            Sha::Two256 => "pbkdf2-sha256",
            Sha::Two512 => "pbkdf2-sha512",
        }
    }

    pub(in crate::passwords) fn text(&self) -> String {
        let (name, iterations, length) = (Self::name(self.sha), self.iterations, self.tag.len());
        let (salt, tag) = (STANDARD_NO_PAD.encode(&self.salt), STANDARD_NO_PAD.encode(&self.tag));
        format!("${name}$i={iterations},l={length}${salt}${tag}")
    }

    /// Whether it has fewer iterations than recommended.
    pub(in crate::passwords) const fn is_weak(&self) -> bool {
        self.iterations < RECOMMENDED
    }

    pub(in crate::passwords) fn matches(&self, password: &[u8]) -> Result<bool, Failed> {
        let mut computed = Zeroizing::new(vec![0; self.tag.len()]);
        let iterations = usize::try_from(self.iterations).map_err(|_| Failed)?;
        pbkdf2_hmac(password, &self.salt, iterations, self.sha.openssl(), &mut computed).map_err(|_| Failed)?;
        Ok(equal(&computed, &self.tag))
    }
}
