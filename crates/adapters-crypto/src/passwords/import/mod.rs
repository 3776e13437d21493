//! Reads password hashes as other systems export them.

mod django;
mod keycloak;
#[cfg(test)]
mod tests;

use keystead_application::ports::{ForeignHash, HashRefusal, PasswordImport, ReadHash};
use keystead_domain::account::PasswordHash;

use super::foreign::{Bcrypt, Pbkdf2, SaltedSha, Scrypt};
use super::phc::StoredHash;
use super::stored::{Read, Stored};

/// No hash of any format is longer.
const MAX_LENGTH: usize = 1024;

/// Reads argon2i, argon2d and argon2id, bcrypt, scrypt and PBKDF2 in the forms of PHC strings, passlib, Django and Keycloak,
/// and the salted SHA of directories.
#[derive(Clone, Copy, Debug, Default)]
pub struct ForeignHashes;

impl PasswordImport for ForeignHashes {
    fn read(&self, foreign: &ForeignHash) -> Result<ReadHash, HashRefusal> {
        let stored = match foreign {
            ForeignHash::Text(text) => read_text(text.expose()),
            ForeignHash::Keycloak { credential_data, secret_data } => {
                keycloak::read(credential_data.expose(), secret_data.expose())
            }
        }?;
        Ok(ReadHash { is_weak: stored.is_weak(), hash: PasswordHash::new(stored.text()) })
    }
}

/// Reads a text that names its function.
pub(super) fn read_text(text: &str) -> Read {
    if text.len() > MAX_LENGTH {
        return Err(HashRefusal::Malformed);
    }
    if let Some(name) = text.strip_prefix('$') {
        return match name.split('$').next().unwrap_or_default() {
            "argon2i" | "argon2d" | "argon2id" => StoredHash::read(text).map(Stored::Argon2),
            "2a" | "2b" | "2y" => Bcrypt::parse(text).map(Stored::Bcrypt),
            "scrypt" => Scrypt::parse(text).map(Stored::Scrypt),
            name if name.starts_with("pbkdf2") => Pbkdf2::parse(text).map(Stored::Pbkdf2),
            _ => Err(HashRefusal::Unknown),
        };
    }
    if text.starts_with('{') {
        return SaltedSha::parse(text).map(Stored::SaltedSha);
    }
    if is_bare_digest(text) {
        return Err(HashRefusal::Unsalted);
    }
    django::read(text)
}

/// MD5, SHA-1, SHA-256 or SHA-512 in hexadecimal digits and nothing else.
fn is_bare_digest(text: &str) -> bool {
    matches!(text.len(), 32 | 40 | 64 | 128) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
