//! What Django keeps in `auth_user.password` (django.contrib.auth.hashers): `algorithm$…`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keystead_application::ports::HashRefusal;

use crate::passwords::foreign::{Bcrypt, Pbkdf2, Scrypt, Sha, decimal, parts};
use crate::passwords::phc::StoredHash;
use crate::passwords::stored::{Read, Stored};

/// Bytes of its scrypt hashes.
const SCRYPT_TAG: usize = 64;

/// Reads one. Salts of PBKDF2 and scrypt are texts, used as they stand.
pub(super) fn read(text: &str) -> Read {
    let (algorithm, rest) = text.split_once('$').ok_or(HashRefusal::Unknown)?;
    match algorithm {
        "pbkdf2_sha256" => pbkdf2(Sha::Two256, rest),
        "pbkdf2_sha1" => pbkdf2(Sha::One, rest),
        // The PHC string follows without its first `$`.
        "argon2" => StoredHash::read(&format!("${rest}")).map(Stored::Argon2),
        "bcrypt" => Bcrypt::parse(rest).map(Stored::Bcrypt),
        "bcrypt_sha256" => Bcrypt::parse(text).map(Stored::Bcrypt),
        "scrypt" => scrypt(rest),
        // `md5$$…`, `sha1$$…`: its unsalted hashers.
        "md5" | "sha1" if rest.starts_with('$') => Err(HashRefusal::Unsalted),
        _ => Err(HashRefusal::Unknown),
    }
}

fn pbkdf2(sha: Sha, rest: &str) -> Read {
    let [iterations, salt, tag] = parts(rest, '$')?;
    let tag = decode(tag)?;
    if tag.len() != sha.size() {
        return Err(HashRefusal::Malformed);
    }
    Pbkdf2::try_new(sha, decimal(iterations)?, salt.as_bytes().to_vec(), tag).map(Stored::Pbkdf2)
}

/// `scrypt$N$salt$r$p$tag`.
fn scrypt(rest: &str) -> Read {
    let [n, salt, r, p, tag] = parts(rest, '$')?;
    let n = decimal(n)?;
    if !n.is_power_of_two() {
        return Err(HashRefusal::Malformed);
    }
    let (parameters, tag) = ((n.trailing_zeros(), decimal(r)?, decimal(p)?), decode(tag)?);
    if tag.len() != SCRYPT_TAG {
        return Err(HashRefusal::Malformed);
    }
    Scrypt::try_new(parameters, salt.as_bytes().to_vec(), tag).map(Stored::Scrypt)
}

fn decode(text: &str) -> Result<Vec<u8>, HashRefusal> {
    STANDARD.decode(text).map_err(|_| HashRefusal::Malformed)
}
