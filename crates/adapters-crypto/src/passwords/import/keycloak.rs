//! What Keycloak exports of a credential of type `password`: two JSON texts (PasswordCredentialData, PasswordSecretData).

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use keystead_application::ports::HashRefusal;
use serde::Deserialize;

use crate::passwords::foreign::{Pbkdf2, Sha, decimal};
use crate::passwords::phc::StoredHash;
use crate::passwords::stored::{Read, Stored};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CredentialData {
    hash_iterations: u32,
    algorithm: String,
    #[serde(default)]
    additional_parameters: Option<HashMap<String, Vec<String>>>,
}

#[derive(Deserialize)]
struct SecretData {
    value: String,
    salt: String,
}

impl CredentialData {
    /// A parameter; Keycloak keeps lists of one.
    fn parameter(&self, name: &str) -> Result<&str, HashRefusal> {
        match self.additional_parameters.as_ref().and_then(|all| all.get(name)).map(Vec::as_slice) {
            Some([value]) => Ok(value),
            _ => Err(HashRefusal::Malformed),
        }
    }
}

/// Reads one.
pub(super) fn read(credential_data: &str, secret_data: &str) -> Read {
    let data: CredentialData = serde_json::from_str(credential_data).map_err(|_| HashRefusal::Malformed)?;
    let secret: SecretData = serde_json::from_str(secret_data).map_err(|_| HashRefusal::Malformed)?;
    let decode = |text: &str| STANDARD.decode(text).map_err(|_| HashRefusal::Malformed);
    let (salt, tag) = (decode(&secret.salt)?, decode(&secret.value)?);
    let sha = match data.algorithm.as_str() {
        "pbkdf2" => Sha::One,
        "pbkdf2-sha256" => Sha::Two256,
        "pbkdf2-sha512" => Sha::Two512,
        "argon2" => return argon2(&data, &salt, &tag),
        _ => return Err(HashRefusal::Unknown),
    };
    Pbkdf2::try_new(sha, data.hash_iterations, salt, tag).map(Stored::Pbkdf2)
}

fn argon2(data: &CredentialData, salt: &[u8], tag: &[u8]) -> Read {
    let function = match data.parameter("type")? {
        "i" => "argon2i",
        "d" => "argon2d",
        "id" => "argon2id",
        _ => return Err(HashRefusal::Malformed),
    };
    let version = match data.parameter("version")? {
        "1.0" => 0x10,
        "1.3" => 0x13,
        _ => return Err(HashRefusal::Malformed),
    };
    let number = |name: &str| decimal(data.parameter(name)?);
    if usize::try_from(number("hashLength")?) != Ok(tag.len()) {
        return Err(HashRefusal::Malformed);
    }
    let (m, t, p) = (number("memory")?, data.hash_iterations, number("parallelism")?);
    let (salt, tag) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(tag));
    StoredHash::read(&format!("${function}$v={version}$m={m},t={t},p={p}${salt}${tag}")).map(Stored::Argon2)
}
