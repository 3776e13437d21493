use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use keystead_domain::account::{Epoch, Role, UserId};
use keystead_domain::token::{
    AccessClaims, Actor, Amr, Factor, Fingerprint, KeyId, PreAuthorizedClaims, PreAuthorizedPurpose, SessionId,
    StepUpClaims, StepUpMethod, TokenId,
};
use keystead_domain::{SecretString, Timestamp};
use serde_json::{Value, json};

use super::fake_crypto::{fake_tag, hex, unhex};
use super::{key_id, lock};
use crate::ports::{TokenError, TokenSigner, TokenVerifier, VerifiedAccess};

/// Tokens whose claims anyone can read: `fake-<kind>.<kid>.<claims in hexadecimal>.<checksum>`. A changed token is
/// refused, a forged one is not. Times keep whole seconds, as in a real token.
#[derive(Debug)]
pub struct FakeTokens {
    active: Mutex<KeyId>,
    withdrawn: Mutex<HashSet<KeyId>>,
}

const ACCESS: &str = "fake-access";
const PRE_AUTHORIZED: &str = "fake-pre";
const STEP_UP: &str = "fake-otp";

impl FakeTokens {
    /// Signs with the key `sign-1`; every key is published.
    pub fn new() -> Self {
        Self::default()
    }

    /// Signs with this key from now on.
    pub fn rotate(&self, key: KeyId) {
        *lock(&self.active) = key;
    }

    /// Whether `is_published` is true for this key from now on.
    pub fn set_published(&self, key: &KeyId, published: bool) {
        let mut withdrawn = lock(&self.withdrawn);
        if published {
            withdrawn.remove(key);
        } else {
            withdrawn.insert(key.clone());
        }
    }

    fn sign(&self, kind: &str, claims: &Value) -> SecretString {
        let key = lock(&self.active).clone();
        let claims = hex(claims.to_string().as_bytes());
        let tag = fake_tag(&[kind.as_bytes(), key.as_str().as_bytes(), claims.as_bytes()]);
        SecretString::new(format!("{kind}.{key}.{claims}.{tag}"))
    }
}

impl Default for FakeTokens {
    fn default() -> Self {
        Self { active: Mutex::new(key_id("sign-1")), withdrawn: Mutex::default() }
    }
}

fn open(kind: &str, token: &str) -> Option<(KeyId, Value)> {
    let mut parts = token.split('.');
    let (found, key, claims, tag) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let genuine = tag == fake_tag(&[found.as_bytes(), key.as_bytes(), claims.as_bytes()]);
    if !genuine || found != kind || parts.next().is_some() {
        return None;
    }
    Some((KeyId::parse(key)?, serde_json::from_slice(&unhex(claims)?).ok()?))
}

fn seconds(claims: &Value, name: &str) -> Option<Timestamp> {
    claims.get(name)?.as_i64().map(Timestamp::from_seconds)
}

fn text<'a>(claims: &'a Value, name: &str) -> Option<&'a str> {
    claims.get(name)?.as_str()
}

fn bytes32(claims: &Value, name: &str) -> Option<[u8; 32]> {
    unhex(text(claims, name)?)?.try_into().ok()
}

fn list<T>(claims: &Value, name: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    claims.get(name)?.as_array()?.iter().map(|item| parse(item.as_str()?)).collect()
}

fn read_access(claims: &Value) -> Option<AccessClaims> {
    Some(AccessClaims {
        subject: UserId::parse(text(claims, "sub")?)?,
        token_id: TokenId::parse(text(claims, "jti")?)?,
        issued_at: seconds(claims, "iat")?,
        expires_at: seconds(claims, "exp")?,
        epoch: Epoch::new(claims.get("epoch")?.as_i64()?),
        role: Role::parse(text(claims, "role")?).ok()?,
        amr: list(claims, "amr", Amr::parse)?,
        auth_time: seconds(claims, "auth_time")?,
        fingerprint: Fingerprint(bytes32(claims, "fgp")?),
        actor: match claims.get("act")? {
            Value::Null => None,
            act => Some(read_actor(act)?),
        },
    })
}

fn read_actor(act: &Value) -> Option<Actor> {
    Some(Actor {
        subject: UserId::parse(text(act, "sub")?)?,
        session: SessionId::parse(text(act, "sid")?)?,
        epoch: Epoch::new(act.get("epoch")?.as_i64()?),
    })
}

fn read_pre_authorized(claims: &Value) -> Option<PreAuthorizedClaims> {
    Some(PreAuthorizedClaims {
        subject: UserId::parse(text(claims, "sub")?)?,
        token_id: TokenId::parse(text(claims, "jti")?)?,
        issued_at: seconds(claims, "iat")?,
        expires_at: seconds(claims, "exp")?,
        epoch: Epoch::new(claims.get("epoch")?.as_i64()?),
        purpose: PreAuthorizedPurpose::parse(text(claims, "purpose")?)?,
        amr: list(claims, "amr", Amr::parse)?,
        fingerprint: Fingerprint(bytes32(claims, "fgp")?),
        otp: bytes32(claims, "otp"),
        otp_key: text(claims, "otp_kid").and_then(KeyId::parse),
        tfa_options: list(claims, "tfaOptions", Factor::parse)?,
        default_tfa: text(claims, "defaultTfa").and_then(Factor::parse),
    })
}

fn read_step_up(claims: &Value) -> Option<StepUpClaims> {
    Some(StepUpClaims {
        subject: UserId::parse(text(claims, "sub")?)?,
        token_id: TokenId::parse(text(claims, "jti")?)?,
        issued_at: seconds(claims, "iat")?,
        expires_at: seconds(claims, "exp")?,
        epoch: Epoch::new(claims.get("epoch")?.as_i64()?),
        method: StepUpMethod::parse(text(claims, "method")?)?,
    })
}

impl TokenSigner for FakeTokens {
    fn sign_access(&self, claims: &AccessClaims) -> Result<SecretString, TokenError> {
        let act = claims.actor.as_ref().map(|actor| {
            json!({
                "sub": actor.subject.to_string(),
                "sid": actor.session.as_str(),
                "epoch": actor.epoch.number(),
            })
        });
        Ok(self.sign(
            ACCESS,
            &json!({
                "sub": claims.subject.to_string(),
                "jti": claims.token_id.as_str(),
                "iat": claims.issued_at.as_seconds(),
                "exp": claims.expires_at.as_seconds(),
                "epoch": claims.epoch.number(),
                "role": claims.role.as_str(),
                "amr": claims.amr.iter().map(|amr| amr.as_str()).collect::<Vec<_>>(),
                "auth_time": claims.auth_time.as_seconds(),
                "fgp": hex(&claims.fingerprint.0),
                "act": act,
            }),
        ))
    }

    fn sign_pre_authorized(&self, claims: &PreAuthorizedClaims) -> Result<SecretString, TokenError> {
        Ok(self.sign(
            PRE_AUTHORIZED,
            &json!({
                "sub": claims.subject.to_string(),
                "jti": claims.token_id.as_str(),
                "iat": claims.issued_at.as_seconds(),
                "exp": claims.expires_at.as_seconds(),
                "epoch": claims.epoch.number(),
                "purpose": claims.purpose.as_str(),
                "amr": claims.amr.iter().map(|amr| amr.as_str()).collect::<Vec<_>>(),
                "fgp": hex(&claims.fingerprint.0),
                "otp": claims.otp.map(|otp| hex(&otp)),
                "otp_kid": claims.otp_key.as_ref().map(KeyId::as_str),
                "tfaOptions": claims.tfa_options.iter().map(|factor| factor.as_str()).collect::<Vec<_>>(),
                "defaultTfa": claims.default_tfa.map(Factor::as_str),
            }),
        ))
    }

    fn sign_step_up(&self, claims: &StepUpClaims) -> Result<SecretString, TokenError> {
        Ok(self.sign(
            STEP_UP,
            &json!({
                "sub": claims.subject.to_string(),
                "jti": claims.token_id.as_str(),
                "iat": claims.issued_at.as_seconds(),
                "exp": claims.expires_at.as_seconds(),
                "epoch": claims.epoch.number(),
                "method": claims.method.as_str(),
            }),
        ))
    }

    fn jwks(&self) -> String {
        json!({ "keys": [{ "kid": lock(&self.active).as_str() }] }).to_string()
    }
}

impl TokenVerifier for FakeTokens {
    fn verify_access(&self, token: &str) -> Result<Arc<VerifiedAccess>, TokenError> {
        let (key, claims) = open(ACCESS, token).ok_or(TokenError)?;
        Ok(Arc::new(VerifiedAccess { claims: read_access(&claims).ok_or(TokenError)?, key }))
    }

    fn verify_pre_authorized(&self, token: &str) -> Result<PreAuthorizedClaims, TokenError> {
        let (_, claims) = open(PRE_AUTHORIZED, token).ok_or(TokenError)?;
        read_pre_authorized(&claims).ok_or(TokenError)
    }

    fn verify_step_up(&self, token: &str) -> Result<StepUpClaims, TokenError> {
        let (_, claims) = open(STEP_UP, token).ok_or(TokenError)?;
        read_step_up(&claims).ok_or(TokenError)
    }

    fn is_published(&self, key: &KeyId, _now: Timestamp) -> bool {
        !lock(&self.withdrawn).contains(key)
    }
}
