//! `/auth/token/verify`, `DELETE /auth/tokens/{jti}`, `/auth/status`.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use keystead_application::account::ProfileError;
use keystead_application::session::EndSessionsError;
use keystead_domain::limits::TOKEN_REVOKE;
use keystead_domain::token::{AccessClaims, TokenId};
use serde::Serialize;

use super::RequestLimits;
use super::access::{Access, authenticate};
use super::me::UserAttributes;
use crate::http::{ApiError, Code, Document, NoBody, NoQuery, ShownCredentials, no_content, resource, step_up_proof};
use crate::services::Services;

/// A valid access token.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenStatus<'a> {
    /// Always `true`: any other token is refused.
    active: bool,
    /// What the token says, under the names it says it with.
    #[schema(inline)]
    claims: Claims<'a>,
}

/// The claims of an access token (RFC 7519, RFC 9068). Times are seconds since the Unix epoch.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Claims<'a> {
    /// The user.
    sub: String,
    /// The token.
    jti: &'a str,
    /// The session.
    sid: &'a str,
    /// When the token was issued.
    iat: i64,
    /// When the token expires.
    exp: i64,
    /// The version of the user's credentials.
    epoch: i64,
    /// `user`, `admin` or `super-admin`.
    role: &'static str,
    /// Always `authorized`.
    state: &'static str,
    /// How the person signed in (RFC 8176).
    amr: Vec<&'static str>,
    /// When the person last proved who they are.
    auth_time: i64,
    /// The administrator who acts as the user (RFC 8693 section 4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<ActClaim>,
}

/// Who really acts.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct ActClaim {
    /// The administrator.
    sub: String,
}

impl<'a> TokenStatus<'a> {
    fn new(claims: &'a AccessClaims) -> Self {
        let claims = Claims {
            sub: claims.subject.to_string(),
            jti: claims.token_id.as_str(),
            sid: claims.token_id.session_str(),
            iat: claims.issued_at.as_seconds(),
            exp: claims.expires_at.as_seconds(),
            epoch: claims.epoch.number(),
            role: claims.role.as_str(),
            state: "authorized",
            amr: claims.amr.iter().map(|method| method.as_str()).collect(),
            auth_time: claims.auth_time.as_seconds(),
            act: claims.actor.as_ref().map(|actor| ActClaim { sub: actor.subject.to_string() }),
        };
        Self { active: true, claims }
    }
}

/// Tells a service whether an access token, shown with its client id, counts now. The hot path: no database, no network.
#[utoipa::path(post, path = "/api/v1/auth/token/verify", tag = "session", security(("access" = [])),
    responses((status = 200, description = "The token counts", body = inline(super::openapi::TokenStatusDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn verify(req: HttpRequest, _: NoBody) -> Result<HttpResponse, ApiError> {
    let shown = ShownCredentials::read(&req)?;
    let who = authenticate(&req, &shown).await?;
    let claims = who.claims();
    Ok(Document::single(resource("tokenStatus", claims.token_id.as_str(), TokenStatus::new(claims))).ok())
}

/// Revokes one of one's own access tokens; its session goes on.
#[utoipa::path(delete, path = "/api/v1/auth/tokens/{jti}", tag = "session", security(("access" = [])),
    params(("jti" = String, Path, description = "The token's identifier")),
    responses((status = 204, description = "Revoked, now or before")))]
pub(super) async fn revoke(
    services: Data<Services>,
    limits: Data<RequestLimits>,
    access: Access,
    jti: Path<String>,
    _: NoBody,
) -> Result<HttpResponse, ApiError> {
    let token = TokenId::parse(&jti).ok_or(Code::NOT_FOUND)?;
    limits.count_for(access.claims().subject, &TOKEN_REVOKE).await?;
    let result = services.end_sessions.revoke_token(access.claims(), &token, &access.context).await;
    result.map_err(end_error)?;
    Ok(no_content())
}

/// What ending a session or token can be refused with.
pub(super) fn end_error(error: EndSessionsError) -> ApiError {
    match error {
        EndSessionsError::Refused => ApiError::new(Code::TOKEN_INVALID),
        EndSessionsError::Impersonating => ApiError::new(Code::IMPERSONATION_FORBIDDEN),
        EndSessionsError::NotFound => ApiError::new(Code::NOT_FOUND),
        EndSessionsError::Failure(failure) => failure.into(),
    }
}

/// Who asks.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    /// Whether an access token that counts was shown.
    is_authenticated: bool,
    /// Whether two factors took part in signing in, or a step-up proof that counts was shown.
    is_mfa: bool,
    /// The account.
    user: Option<StatusUser>,
}

/// The account in a status.
#[derive(Serialize, utoipa::ToSchema)]
struct StatusUser {
    id: String,
    #[serde(flatten)]
    attributes: UserAttributes,
}

/// Says who asks. Never an error on account of a token.
#[utoipa::path(get, path = "/api/v1/auth/status", tag = "session",
    responses((status = 200, description = "Who asks", body = inline(super::openapi::StatusDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn status(req: HttpRequest, services: Data<Services>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    let who = match ShownCredentials::read(&req) {
        Ok(shown) => authenticate(&req, &shown).await.ok(),
        Err(_) => None,
    };
    let mut status = Status { is_authenticated: false, is_mfa: false, user: None };
    if let Some(who) = who {
        let claims = who.claims();
        match services.read_profile.run(claims.subject).await {
            Ok(user) => {
                status.is_authenticated = true;
                let proof = step_up_proof(&req).ok().flatten();
                let proved = proof.is_some_and(|proof| services.step_up_gate.read(proof.expose(), claims).is_some());
                status.is_mfa = proved || claims.amr.contains(&keystead_domain::token::Amr::MultiFactor);
                status.user = Some(StatusUser { id: user.id.to_string(), attributes: UserAttributes::new(&user) });
            }
            Err(ProfileError::Failure(failure)) => return Err(failure.into()),
            Err(ProfileError::NotFound | ProfileError::UsernameTaken) => {}
        }
    }
    Ok(Document::single(resource("status", "current", status)).ok())
}
