use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keystead_application::ports::HashRefusal;

use super::{Sha, check, equal};
use crate::passwords::phc::Failed;

/// A salted SHA digest as directories keep it (`{SSHA}`, RFC 2307 section 5.3 with a salt): base 64 of
/// digest(password ‖ salt) ‖ salt. Billions of guesses a second: taken by request only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::passwords) struct SaltedSha {
    sha: Sha,
    salt: Vec<u8>,
    tag: Vec<u8>,
}

impl SaltedSha {
    /// Reads `{SCHEME}` and what follows. Names of schemes are the same in both cases.
    pub(in crate::passwords) fn parse(text: &str) -> Result<Self, HashRefusal> {
        let scheme = text.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let (scheme, value) = scheme.ok_or(HashRefusal::Malformed)?;
        let sha = Sha::ALL.into_iter().find(|sha| Self::scheme(*sha).eq_ignore_ascii_case(scheme));
        let Some(sha) = sha else {
            let unsalted = ["SHA", "SHA256", "SHA512", "MD5"].iter().any(|name| name.eq_ignore_ascii_case(scheme));
            return Err(if unsalted { HashRefusal::Unsalted } else { HashRefusal::Unknown });
        };
        let bytes = STANDARD.decode(value).map_err(|_| HashRefusal::Malformed)?;
        let (tag, salt) = bytes.split_at_checked(sha.size()).ok_or(HashRefusal::Malformed)?;
        check(salt, tag)?;
        Ok(Self { sha, salt: salt.to_vec(), tag: tag.to_vec() })
    }

    const fn scheme(sha: Sha) -> &'static str {
        match sha {
            Sha::One => "SSHA",
            Sha::Two256 => "SSHA256",
            Sha::Two512 => "SSHA512",
        }
    }

    pub(in crate::passwords) fn text(&self) -> String {
        let value = STANDARD.encode([self.tag.as_slice(), &self.salt].concat());
        format!("{{{}}}{value}", Self::scheme(self.sha))
    }

    pub(in crate::passwords) fn matches(&self, password: &[u8]) -> Result<bool, Failed> {
        Ok(equal(&self.sha.digest(&[password, &self.salt])?, &self.tag))
    }
}
