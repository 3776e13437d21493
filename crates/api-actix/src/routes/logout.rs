//! `/auth/logout`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use keystead_application::revocation::AccessError;
use keystead_application::session::{EndSessionsError, LogoutProof};
use keystead_domain::token::{ClientKind, RefreshToken};

use super::access::{context, context_of};
use super::verify::end_error;
use crate::http::{
    ApiError, ApiQuery, Code, HttpSettings, NoBody, Params, Query, ShownCredentials, no_content, require_same_origin,
};
use crate::services::Services;

/// `?all=true`.
pub(super) struct Reach {
    all: bool,
}

impl Query for Reach {
    fn read(params: &mut Params) -> Self {
        Self { all: params.take_flag("all") }
    }
}

/// Ends this session, or all of its owner's. By access token, or by refresh token of any age. Signing out twice is fine.
#[utoipa::path(post, path = "/api/v1/auth/logout", tag = "session", security(("access" = [])),
    params(("all" = Option<bool>, Query, description = "End every session of the account")),
    responses((status = 204, description = "Signed out, now or before")))]
pub(super) async fn logout(
    req: HttpRequest,
    services: Data<Services>,
    ApiQuery(Reach { all }): ApiQuery<Reach>,
    _: NoBody,
) -> Result<HttpResponse, ApiError> {
    let shown = ShownCredentials::read(&req)?;
    let context = context(&req, &shown);
    let mut acts_as_somebody = false;
    match (shown.bearer, shown.refresh) {
        (Some(token), _) if token.starts_with(RefreshToken::PREFIX) => {
            services.end_sessions.log_out(LogoutProof::Refresh(token), all, &context).await.map_err(end_error)?;
        }
        (Some(token), _) => match services.gate.authenticate(token, shown.client_id).await {
            Ok(who) => {
                let context = context_of(&req, &shown, who.claims());
                acts_as_somebody = who.claims().actor.is_some();
                let ended = services.end_sessions.log_out(LogoutProof::Access(who.claims()), all, &context).await;
                if ended == Err(EndSessionsError::Impersonating) {
                    let what = "POST /api/v1/auth/logout".to_owned();
                    services.refusals.note(who.claims(), what, &context).await?;
                }
                ended.map_err(end_error)?;
            }
            // Signed out already: nothing to end, and nothing a revoked token may still do.
            Err(AccessError::Revoked) => {}
            Err(other) => return Err(other.into()),
        },
        (None, Some(token)) => {
            require_same_origin(&req)?;
            services.end_sessions.log_out(LogoutProof::Refresh(token), all, &context).await.map_err(end_error)?;
        }
        (None, None) => return Err(ApiError::new(Code::TOKEN_MISSING)),
    }
    let mut response = no_content();
    // An administrator who acts as somebody else has one token more; the cookies are of their own session, which goes on.
    if shown.kind == ClientKind::Browser && !acts_as_somebody {
        for cookie in HttpSettings::of(&req).cookies().clear_session() {
            let _ = response.add_cookie(&cookie);
        }
    }
    Ok(response)
}
