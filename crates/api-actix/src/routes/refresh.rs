//! `/auth/refresh`, `GET /auth/token`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use keystead_application::session::{ExchangeRefreshTokenError, RefreshRefusal, RefreshSessionError};
use keystead_domain::token::{ClientKind, EndReason};
use keystead_domain::{SecretString, Timestamp};

use super::access::context;
use super::tokens;
use crate::dto;
use crate::http::{ApiError, Code, HttpSettings, NoQuery, OptionalBody, ShownCredentials, require_same_origin};
use crate::services::Services;

dto! {
    /// A native client's refresh token. Browsers send none: theirs is in the cookie.
    pub struct RefreshBody: "refreshes" {
        /// The refresh token.
        #[schema(value_type = Option<String>)]
        refresh_token: Option<SecretString>,
    }
}

/// The refresh token of a request: a browser's from its cookie, a native client's from its body, never the other way.
fn shown_token(
    req: &HttpRequest,
    shown: &ShownCredentials<'_>,
    body: OptionalBody<RefreshBody>,
) -> Result<SecretString, ApiError> {
    let in_body = body.0.and_then(|body| body.into_inner().refresh_token);
    match shown.kind {
        ClientKind::Browser if in_body.is_some() => Err(ApiError::new(Code::CLIENT_KIND_MISMATCH)),
        ClientKind::Browser => {
            let token = shown.refresh.ok_or(Code::REFRESH_INVALID)?;
            require_same_origin(req)?;
            Ok(SecretString::new(token.to_owned()))
        }
        ClientKind::Native => in_body.ok_or_else(|| Code::REFRESH_INVALID.into()),
    }
}

/// Exchanges a refresh token for a fresh pair. The token is used up; showing an older one ends the session.
#[utoipa::path(post, path = "/api/v1/auth/refresh", tag = "session", request_body = Option<RefreshBody>,
    responses((status = 200, description = "A fresh pair", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn refresh(
    req: HttpRequest,
    services: Data<Services>,
    body: OptionalBody<RefreshBody>,
) -> Result<HttpResponse, ApiError> {
    let shown = ShownCredentials::read(&req)?;
    let token = shown_token(&req, &shown, body)?;
    let result = services.refresh.run(token.expose(), shown.client_id, &context(&req, &shown)).await;
    let now = services.clock.now();
    match result {
        Ok(tokens) => Ok(tokens::authorized(&req, shown.kind, &tokens, now)),
        Err(RefreshSessionError::Refused(refusal)) => Err(refused(&req, refusal, now)),
        Err(RefreshSessionError::Failure(failure)) => Err(failure.into()),
    }
}

fn refused(req: &HttpRequest, refusal: RefreshRefusal, now: Timestamp) -> ApiError {
    let code = match refusal {
        RefreshRefusal::OtherClientKind => return ApiError::new(Code::CLIENT_KIND_MISMATCH),
        RefreshRefusal::Limited { again_at } => {
            return ApiError::new(Code::RATE_LIMITED).retry_after(again_at.since(now));
        }
        RefreshRefusal::Invalid => Code::REFRESH_INVALID,
        RefreshRefusal::Expired => Code::REFRESH_EXPIRED,
        RefreshRefusal::Ended(EndReason::RefreshReused) => Code::REFRESH_REUSED,
        RefreshRefusal::Ended(EndReason::FingerprintMismatch) => Code::FINGERPRINT_MISMATCH,
        RefreshRefusal::Ended(EndReason::LoggedOut | EndReason::StoreRolledBack | EndReason::EpochEnded) => {
            Code::SESSION_ENDED
        }
    };
    // The cookies are of no use any more.
    let clear = HttpSettings::of(req).cookies().clear_session();
    match ShownCredentials::read(req) {
        Ok(shown) if shown.kind == ClientKind::Browser => {
            clear.iter().fold(ApiError::new(code), |error, cookie| error.cookie(cookie))
        }
        _ => ApiError::new(code),
    }
}

/// Gives a page that just loaded a fresh access token for its refresh cookie. Changes nothing.
#[utoipa::path(get, path = "/api/v1/auth/token", tag = "session",
    responses((status = 200, description = "A fresh access token", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn exchange(req: HttpRequest, services: Data<Services>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    let shown = ShownCredentials::read(&req)?;
    if shown.kind == ClientKind::Native {
        return Err(ApiError::new(Code::CLIENT_KIND_MISMATCH));
    }
    let token = shown.refresh.ok_or(Code::REFRESH_INVALID)?;
    require_same_origin(&req)?;
    let result = services.exchange.run(token, shown.client_id, &context(&req, &shown)).await;
    let tokens = result.map_err(|error| match error {
        ExchangeRefreshTokenError::Refused => ApiError::new(Code::REFRESH_INVALID),
        ExchangeRefreshTokenError::OtherClientKind => ApiError::new(Code::CLIENT_KIND_MISMATCH),
        ExchangeRefreshTokenError::Failure(failure) => failure.into(),
    })?;
    Ok(tokens::authorized(&req, shown.kind, &tokens, services.clock.now()))
}
