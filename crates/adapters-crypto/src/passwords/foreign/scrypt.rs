use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use keystead_application::ports::HashRefusal;
use zeroize::Zeroizing;

use super::{check, decimal, equal, parts};
use crate::passwords::phc::Failed;

/// Memory of one check, in bytes. Twice what OWASP's strongest setting takes (N = 2^17, r = 8).
const MAX_MEMORY: u64 = 256 * 1024 * 1024;
/// Lanes go over memory one after the other: this much of it in all, some seconds.
const MAX_WORK: u64 = 1024 * 1024 * 1024;

/// An scrypt hash (RFC 7914).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::passwords) struct Scrypt {
    log_n: u32,
    r: u32,
    p: u32,
    salt: Vec<u8>,
    tag: Vec<u8>,
}

impl Scrypt {
    /// `N` is 2 to the power of `log_n`.
    pub(in crate::passwords) fn try_new(
        (log_n, r, p): (u32, u32, u32),
        salt: Vec<u8>,
        tag: Vec<u8>,
    ) -> Result<Self, HashRefusal> {
        check(&salt, &tag)?;
        if log_n == 0 || r == 0 || p == 0 {
            return Err(HashRefusal::Malformed);
        }
        let n = 1_u64.checked_shl(log_n).ok_or(HashRefusal::TooCostly)?;
        let lane = u64::from(r).saturating_mul(128);
        let memory = lane.saturating_mul(n.saturating_add(u64::from(p)));
        if memory > MAX_MEMORY || memory.saturating_mul(u64::from(p)) > MAX_WORK {
            return Err(HashRefusal::TooCostly);
        }
        // RFC 7914 section 2: N < 2^(128 r / 8).
        if u64::from(log_n) >= u64::from(r) * 16 {
            return Err(HashRefusal::Malformed);
        }
        Ok(Self { log_n, r, p, salt, tag })
    }

    /// Reads a PHC string: `$scrypt$ln=17,r=8,p=1$…`, as passlib writes it, too.
    pub(in crate::passwords) fn parse(text: &str) -> Result<Self, HashRefusal> {
        let ["", "scrypt", parameters, salt, tag] = parts(text, '$')? else { return Err(HashRefusal::Malformed) };
        let [log_n, r, p] = parts(parameters, ',')?;
        let number = |part: &str, name: &str| decimal(part.strip_prefix(name).ok_or(HashRefusal::Malformed)?);
        let parameters = (number(log_n, "ln=")?, number(r, "r=")?, number(p, "p=")?);
        let decode = |part: &str| STANDARD_NO_PAD.decode(part).map_err(|_| HashRefusal::Malformed);
        Self::try_new(parameters, decode(salt)?, decode(tag)?)
    }

    pub(in crate::passwords) fn text(&self) -> String {
        let Self { log_n, r, p, .. } = self;
        let (salt, tag) = (STANDARD_NO_PAD.encode(&self.salt), STANDARD_NO_PAD.encode(&self.tag));
        format!("$scrypt$ln={log_n},r={r},p={p}${salt}${tag}")
    }

    pub(in crate::passwords) fn matches(&self, password: &[u8]) -> Result<bool, Failed> {
        let mut computed = Zeroizing::new(vec![0; self.tag.len()]);
        let n = 1_u64.checked_shl(self.log_n).ok_or(Failed)?;
        let (r, p) = (u64::from(self.r), u64::from(self.p));
        // OpenSSL's own bound has to leave room for what it counts besides the large table.
        openssl::pkcs5::scrypt(password, &self.salt, n, r, p, 2 * MAX_MEMORY, &mut computed).map_err(|_| Failed)?;
        Ok(equal(&computed, &self.tag))
    }
}
