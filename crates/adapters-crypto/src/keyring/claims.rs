//! The inside of a token: claims as JSON (RFC 7519), both ways.

use std::borrow::Cow;

use keystead_application::ports::VerifiedAccess;
use keystead_domain::Timestamp;
use keystead_domain::account::{Epoch, Role, UserId};
use keystead_domain::token::{
    AccessClaims, Actor, Amr, Factor, Fingerprint, KeyId, PreAuthorizedClaims, PreAuthorizedPurpose, SessionId,
    StepUpClaims, StepUpMethod, TokenId,
};
use serde::{Deserialize, Deserializer, Serialize};

use super::compact::object;
use crate::encoding::{array_from_base64url, base64url};

const AUTHORIZED: &str = "authorized";
const PRE_AUTHORIZED: &str = "pre_authorized";

/// The last second of the year 9999. Beyond it a time would not survive the conversion to microseconds for ever.
const LAST_SECOND: i64 = 253_402_300_799;

type Text<'a> = Cow<'a, str>;

/// Who made a token, and for whom. Compared as whole strings (RFC 7519 sections 4.1.1 and 4.1.3); an `aud` array is
/// refused.
pub(super) struct Parties<'a> {
    pub(super) issuer: &'a str,
    pub(super) audience: &'a str,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccessJson<'a> {
    iss: Text<'a>,
    sub: Text<'a>,
    aud: Text<'a>,
    exp: i64,
    iat: i64,
    nbf: i64,
    jti: Text<'a>,
    sid: Text<'a>,
    epoch: i64,
    role: Text<'a>,
    state: Text<'a>,
    amr: Vec<Text<'a>>,
    auth_time: i64,
    fgp: Text<'a>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    act: Option<ActorJson<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActorJson<'a> {
    sub: Text<'a>,
    sid: Text<'a>,
    epoch: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PreAuthorizedJson<'a> {
    iss: Text<'a>,
    sub: Text<'a>,
    aud: Text<'a>,
    exp: i64,
    iat: i64,
    nbf: i64,
    jti: Text<'a>,
    sid: Text<'a>,
    epoch: i64,
    purpose: Text<'a>,
    state: Text<'a>,
    amr: Vec<Text<'a>>,
    fgp: Text<'a>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    otp: Option<Text<'a>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    otp_kid: Option<Text<'a>>,
    #[serde(rename = "tfaOptions")]
    tfa_options: Vec<Text<'a>>,
    #[serde(default, deserialize_with = "given", rename = "defaultTfa", skip_serializing_if = "Option::is_none")]
    default_tfa: Option<Text<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepUpJson<'a> {
    iss: Text<'a>,
    sub: Text<'a>,
    aud: Text<'a>,
    exp: i64,
    iat: i64,
    nbf: i64,
    jti: Text<'a>,
    sid: Text<'a>,
    epoch: i64,
    method: Text<'a>,
}

/// A claim that may be left out, but is not `null` when it is there.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The payload of an access token.
pub(super) fn write_access(claims: &AccessClaims, parties: &Parties<'_>) -> Option<Vec<u8>> {
    let json = AccessJson {
        iss: parties.issuer.into(),
        sub: claims.subject.to_string().into(),
        aud: parties.audience.into(),
        exp: claims.expires_at.as_seconds(),
        iat: claims.issued_at.as_seconds(),
        nbf: claims.issued_at.as_seconds(),
        jti: claims.token_id.as_str().into(),
        sid: claims.token_id.session_str().into(),
        epoch: claims.epoch.number(),
        role: claims.role.as_str().into(),
        state: AUTHORIZED.into(),
        amr: claims.amr.iter().map(|method| method.as_str().into()).collect(),
        auth_time: claims.auth_time.as_seconds(),
        fgp: base64url(&claims.fingerprint.0).into(),
        act: claims.actor.as_ref().map(|actor| ActorJson {
            sub: actor.subject.to_string().into(),
            sid: actor.session.as_str().into(),
            epoch: actor.epoch.number(),
        }),
    };
    serde_json::to_vec(&json).ok()
}

/// Reads the payload of an access token whose signature was checked. `None` when a claim is missing, unknown, of
/// another type, doubled, or not what `parties` say.
pub(super) fn read_access(payload: &[u8], parties: &Parties<'_>, key: &KeyId) -> Option<VerifiedAccess> {
    let json: AccessJson<'static> = object(payload)?;
    if json.iss != parties.issuer || json.aud != parties.audience || json.state != AUTHORIZED {
        return None;
    }
    let claims = AccessClaims {
        subject: UserId::parse(&json.sub)?,
        token_id: token_id(&json.jti, &json.sid)?,
        issued_at: issued_at(json.iat, json.nbf)?,
        expires_at: time(json.exp)?,
        epoch: Epoch::new(json.epoch),
        role: Role::parse(&json.role).ok()?,
        amr: json.amr.iter().map(|method| Amr::parse(method)).collect::<Option<_>>()?,
        auth_time: time(json.auth_time)?,
        fingerprint: Fingerprint(array_from_base64url(&json.fgp)?),
        actor: match &json.act {
            Some(actor) => Some(Actor {
                subject: UserId::parse(&actor.sub)?,
                session: SessionId::parse(&actor.sid)?,
                epoch: Epoch::new(actor.epoch),
            }),
            None => None,
        },
    };
    Some(VerifiedAccess { claims, key: key.clone() })
}

/// The payload of a pre-authorized token.
pub(super) fn write_pre_authorized(claims: &PreAuthorizedClaims, parties: &Parties<'_>) -> Option<Vec<u8>> {
    let json = PreAuthorizedJson {
        iss: parties.issuer.into(),
        sub: claims.subject.to_string().into(),
        aud: parties.audience.into(),
        exp: claims.expires_at.as_seconds(),
        iat: claims.issued_at.as_seconds(),
        nbf: claims.issued_at.as_seconds(),
        jti: claims.token_id.as_str().into(),
        sid: claims.token_id.session_str().into(),
        epoch: claims.epoch.number(),
        purpose: claims.purpose.as_str().into(),
        state: PRE_AUTHORIZED.into(),
        amr: claims.amr.iter().map(|method| method.as_str().into()).collect(),
        fgp: base64url(&claims.fingerprint.0).into(),
        otp: claims.otp.map(|tag| base64url(&tag).into()),
        otp_kid: claims.otp_key.as_ref().map(|key| key.as_str().into()),
        tfa_options: claims.tfa_options.iter().map(|factor| factor.as_str().into()).collect(),
        default_tfa: claims.default_tfa.map(|factor| factor.as_str().into()),
    };
    serde_json::to_vec(&json).ok()
}

/// Reads the payload of a pre-authorized token whose signature was checked, as [`read_access`] does.
pub(super) fn read_pre_authorized(payload: &[u8], parties: &Parties<'_>) -> Option<PreAuthorizedClaims> {
    let json: PreAuthorizedJson<'static> = object(payload)?;
    if json.iss != parties.issuer || json.aud != parties.audience || json.state != PRE_AUTHORIZED {
        return None;
    }
    Some(PreAuthorizedClaims {
        subject: UserId::parse(&json.sub)?,
        token_id: token_id(&json.jti, &json.sid)?,
        issued_at: issued_at(json.iat, json.nbf)?,
        expires_at: time(json.exp)?,
        epoch: Epoch::new(json.epoch),
        purpose: PreAuthorizedPurpose::parse(&json.purpose)?,
        amr: json.amr.iter().map(|method| Amr::parse(method)).collect::<Option<_>>()?,
        fingerprint: Fingerprint(array_from_base64url(&json.fgp)?),
        otp: optional(json.otp.as_deref(), array_from_base64url).ok()?,
        otp_key: optional(json.otp_kid.as_deref(), KeyId::parse).ok()?,
        tfa_options: json.tfa_options.iter().map(|factor| Factor::parse(factor)).collect::<Option<_>>()?,
        default_tfa: optional(json.default_tfa.as_deref(), Factor::parse).ok()?,
    })
}

/// The payload of a step-up proof.
pub(super) fn write_step_up(claims: &StepUpClaims, parties: &Parties<'_>) -> Option<Vec<u8>> {
    let json = StepUpJson {
        iss: parties.issuer.into(),
        sub: claims.subject.to_string().into(),
        aud: parties.audience.into(),
        exp: claims.expires_at.as_seconds(),
        iat: claims.issued_at.as_seconds(),
        nbf: claims.issued_at.as_seconds(),
        jti: claims.token_id.as_str().into(),
        sid: claims.token_id.session_str().into(),
        epoch: claims.epoch.number(),
        method: claims.method.as_str().into(),
    };
    serde_json::to_vec(&json).ok()
}

/// Reads the payload of a step-up proof whose signature was checked, as [`read_access`] does.
pub(super) fn read_step_up(payload: &[u8], parties: &Parties<'_>) -> Option<StepUpClaims> {
    let json: StepUpJson<'static> = object(payload)?;
    if json.iss != parties.issuer || json.aud != parties.audience {
        return None;
    }
    Some(StepUpClaims {
        subject: UserId::parse(&json.sub)?,
        token_id: token_id(&json.jti, &json.sid)?,
        issued_at: issued_at(json.iat, json.nbf)?,
        expires_at: time(json.exp)?,
        epoch: Epoch::new(json.epoch),
        method: StepUpMethod::parse(&json.method)?,
    })
}

/// A claim that is there and means nothing.
struct Unreadable;

/// A claim that may be left out, but not be wrong.
fn optional<T>(text: Option<&str>, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Unreadable> {
    text.map(|text| read(text).ok_or(Unreadable)).transpose()
}

/// `jti`, when `sid` is its session part.
fn token_id(jti: &str, sid: &str) -> Option<TokenId> {
    TokenId::parse(jti).filter(|id| id.session_str() == sid)
}

/// `iat`, when `nbf` is the same: we never make tokens that begin later.
fn issued_at(iat: i64, nbf: i64) -> Option<Timestamp> {
    time(iat).filter(|_| iat == nbf)
}

fn time(seconds: i64) -> Option<Timestamp> {
    (0..=LAST_SECOND).contains(&seconds).then(|| Timestamp::from_seconds(seconds))
}
