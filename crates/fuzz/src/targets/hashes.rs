//! Password hashes of other systems.

use std::sync::{Arc, LazyLock};

use keystead_adapters_crypto::{Argon2Config, Argon2Hasher, ForeignHashes};
use keystead_application::ports::{ForeignHash, HashError, PasswordHasher as _, PasswordImport as _};
use keystead_domain::SecretString;
use keystead_domain::account::{Password, PasswordHash};

use super::request::wait;
use crate::input::{line, text as utf8};
use crate::world::Drawn;

/// Checks what was taken, one hash at a time.
static HASHER: LazyLock<Argon2Hasher> = LazyLock::new(|| {
    let config = Argon2Config { memory_kib: 64, passes: 1, lanes: 1, permits: 1, queue: 4 };
    Argon2Hasher::try_new(config, Arc::new(Drawn::default())).expect("parameters Argon2 allows")
});

/// `password_hash`: a hash as a text.
pub(super) fn text(bytes: &[u8]) {
    if let Some(text) = utf8(bytes) {
        taken(&ForeignHash::Text(SecretString::new(text.to_owned())));
    }
}

/// `keycloak_credential`: `credentialData` on the first line, `secretData` behind it.
pub(super) fn keycloak(bytes: &[u8]) {
    let (data, secret) = line(bytes);
    let (Some(data), Some(secret)) = (utf8(data), utf8(secret)) else { return };
    let owned = |text: &str| SecretString::new(text.to_owned());
    taken(&ForeignHash::Keycloak { credential_data: owned(data), secret_data: owned(secret) });
}

/// What is taken has one text, and can be checked: an account that is imported can sign in.
fn taken(foreign: &ForeignHash) {
    let Ok(read) = ForeignHashes.read(foreign) else { return };
    let stored = read.hash.as_str();
    assert!(stored.len() <= 1024 + 64, "{} bytes", stored.len());
    let again = ForeignHashes.read(&ForeignHash::Text(SecretString::new(stored.to_owned())));
    assert_eq!(again.as_ref(), Ok(&read), "a hash is kept as a text that is read as itself");
    if is_cheap(stored) {
        let password = Password::for_verification("correct horse").expect("a password");
        assert_ne!(wait(HASHER.verify(&password, &PasswordHash::new(stored.to_owned()))), Err(HashError::Failed));
    }
}

/// Whether a check takes a millisecond or so, by the parameters in the text.
fn is_cheap(stored: &str) -> bool {
    let number = |name: &str| {
        let from = stored.split_once(name).map(|(_, rest)| rest);
        let digits = from.map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default());
        digits.and_then(|digits| digits.parse::<u64>().ok()).unwrap_or(u64::MAX)
    };
    if stored.starts_with("$argon2") {
        number("m=").saturating_mul(number(",t=")) <= 256
    } else if stored.starts_with("$pbkdf2") {
        number("i=") <= 1000
    } else if stored.starts_with("$scrypt") {
        number("ln=") <= 6 && number(",r=").saturating_mul(number(",p=")) <= 16
    } else {
        stored.starts_with('{') || stored.contains("$04$")
    }
}
