//! How tokens are handed out: to browsers in cookies, to native clients in the body, never in both.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use keystead_application::service::{Admission, AuthorizedTokens, PreAuthorizedTokens};
use keystead_application::session::SrpAdmitted;
use keystead_domain::srp::SrpProof;
use keystead_domain::token::{ClientKind, Factor};
use keystead_domain::{SecretString, Timestamp};
use serde::Serialize;

use crate::http::{Document, HttpSettings, Time, resource};

/// Attributes of a `tokens` resource. Secrets (`clientId`, `refreshToken`, `deviceToken`) are there for native clients
/// only; browsers get them as HttpOnly cookies.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tokens<'a> {
    /// The access token, or a token that only the next step of a flow takes.
    access_token: &'a str,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds until the token expires.
    expires_in: u64,
    /// When the token expires.
    expires_at: Time,
    /// `authorized`, or `pre_authorized` half-way through a flow.
    state: &'static str,
    /// Which flow a pre-authorized token belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    purpose: Option<&'static str>,
    /// Second factors the flow takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    tfa_options: Option<Vec<&'static str>>,
    /// The factor to offer first.
    #[serde(skip_serializing_if = "Option::is_none")]
    default_tfa: Option<&'static str>,
    /// Proof of a second factor, to be sent as `OTP-Authorization: Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    otp_session: Option<&'a str>,
    /// When that proof lapses.
    #[serde(skip_serializing_if = "Option::is_none")]
    otp_session_expires_at: Option<Time>,
    /// M2, after a sign-in with SRP: check it before the tokens are used.
    #[serde(skip_serializing_if = "Option::is_none")]
    server_proof: Option<String>,
    /// Native clients: to be sent as `Keystead-Client-Id` with every request of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    /// Native clients: to be exchanged at `/auth/refresh`.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    /// Native clients: to be sent with the next login, so that it counts as a known device.
    #[serde(skip_serializing_if = "Option::is_none")]
    device_token: Option<&'a str>,
}

/// What every answer with a session's tokens says; no secret but the tokens themselves.
fn of_session(tokens: &AuthorizedTokens, now: Timestamp) -> Tokens<'_> {
    Tokens {
        access_token: tokens.access.expose(),
        token_type: "Bearer",
        expires_in: tokens.claims.expires_at.since(now).as_secs(),
        expires_at: tokens.claims.expires_at.into(),
        state: "authorized",
        purpose: None,
        tfa_options: None,
        default_tfa: None,
        otp_session: tokens.step_up.as_ref().map(|proof| proof.token.expose()),
        otp_session_expires_at: tokens.step_up.as_ref().map(|proof| proof.claims.expires_at.into()),
        server_proof: None,
        client_id: None,
        refresh_token: None,
        device_token: None,
    }
}

/// Hands out the tokens of a session.
pub(super) fn authorized(
    req: &HttpRequest,
    kind: ClientKind,
    tokens: &AuthorizedTokens,
    now: Timestamp,
) -> HttpResponse {
    proved(req, kind, tokens, None, now)
}

/// Hands out the tokens of a session, and the proof that the server knows the verifier.
pub(super) fn proved(
    req: &HttpRequest,
    kind: ClientKind,
    tokens: &AuthorizedTokens,
    proof: Option<SrpProof>,
    now: Timestamp,
) -> HttpResponse {
    let native = kind == ClientKind::Native;
    let secret = |value: &'_ Option<SecretString>| value.as_ref().filter(|_| native).map(|s| s.expose().to_owned());
    let (client_id, refresh, device) = (secret(&tokens.client_id), secret(&tokens.refresh), secret(&tokens.device));
    let attributes = Tokens {
        server_proof: proof.map(|proof| proof.hex()),
        client_id: client_id.as_deref(),
        refresh_token: refresh.as_deref(),
        device_token: device.as_deref(),
        ..of_session(tokens, now)
    };
    let mut response = Document::single(resource("tokens", tokens.claims.token_id.as_str(), attributes)).ok();
    if !native {
        let names = HttpSettings::of(req).cookies();
        let cookies = [
            tokens.client_id.as_ref().map(|id| names.set_client(id.expose())),
            tokens.refresh.as_ref().map(|t| names.set_refresh(t.expose(), tokens.session_expires_at.since(now))),
            tokens.device.as_ref().map(|token| names.set_device(token.expose())),
        ];
        for cookie in cookies.into_iter().flatten() {
            // A cookie of ours is always a valid header value.
            let _ = response.add_cookie(&cookie);
        }
    }
    response
}

/// The attributes of a session's fresh tokens, for an answer that is about something else (`meta.tokens`). Such tokens carry
/// no cookie: the client keeps what it has.
pub(super) fn attributes(tokens: &AuthorizedTokens, now: Timestamp) -> serde_json::Value {
    serde_json::to_value(of_session(tokens, now)).unwrap_or_default()
}

/// Hands out what a first or second factor led to: a session, or the question for a second factor.
pub(super) fn admitted(req: &HttpRequest, kind: ClientKind, admission: &Admission, now: Timestamp) -> HttpResponse {
    match admission {
        Admission::Authorized(tokens) => authorized(req, kind, tokens, now),
        Admission::Asked(tokens) => pre_authorized(req, kind, StatusCode::OK, tokens, now),
    }
}

/// The same after a sign-in with SRP.
pub(super) fn admitted_by_srp(
    req: &HttpRequest,
    kind: ClientKind,
    admitted: &SrpAdmitted,
    now: Timestamp,
) -> HttpResponse {
    let proof = Some(admitted.server_proof);
    match &admitted.admission {
        Admission::Authorized(tokens) => proved(req, kind, tokens, proof, now),
        Admission::Asked(tokens) => half_way(req, kind, (StatusCode::OK, proof), tokens, now),
    }
}

/// Hands out a token that only the next step of a flow takes.
pub(super) fn pre_authorized(
    req: &HttpRequest,
    kind: ClientKind,
    status: StatusCode,
    tokens: &PreAuthorizedTokens,
    now: Timestamp,
) -> HttpResponse {
    half_way(req, kind, (status, None), tokens, now)
}

fn half_way(
    req: &HttpRequest,
    kind: ClientKind,
    (status, proof): (StatusCode, Option<SrpProof>),
    tokens: &PreAuthorizedTokens,
    now: Timestamp,
) -> HttpResponse {
    let server_proof = proof.map(|proof| proof.hex());
    let native = kind == ClientKind::Native;
    let claims = &tokens.claims;
    let options: Vec<&'static str> = claims.tfa_options.iter().map(|factor| factor.as_str()).collect();
    let attributes = Tokens {
        access_token: tokens.token.expose(),
        token_type: "Bearer",
        expires_in: claims.expires_at.since(now).as_secs(),
        expires_at: claims.expires_at.into(),
        state: "pre_authorized",
        purpose: Some(claims.purpose.as_str()),
        tfa_options: Some(options),
        default_tfa: claims.default_tfa.map(Factor::as_str),
        otp_session: None,
        otp_session_expires_at: None,
        server_proof,
        client_id: native.then(|| tokens.client_id.expose()),
        refresh_token: None,
        device_token: None,
    };
    let mut response = Document::single(resource("tokens", claims.token_id.as_str(), attributes)).respond(status);
    if !native {
        let cookie = HttpSettings::of(req).cookies().set_client(tokens.client_id.expose());
        let _ = response.add_cookie(&cookie);
    }
    response
}
