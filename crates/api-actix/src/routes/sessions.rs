//! `/sessions`, `/login-history`.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use keystead_application::ports::LoginRecord;
use keystead_application::session::{HistoryCursor, LogoutProof};
use keystead_domain::Timestamp;
use keystead_domain::token::{Session, SessionId, TokenId};
use serde::Serialize;

use super::access::Access;
use super::paging::{cursor_to, cut, page_of};
use super::verify::end_error;
use crate::http::{ApiError, ApiQuery, Code, Document, NoBody, Page, Time, next_link, no_content, resource};
use crate::services::Services;

/// A signed-in client.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionAttributes {
    /// Whether it is the session that asks.
    current: bool,
    /// `browser` or `native`.
    client: &'static str,
    /// Whether an administrator acts as the person in it.
    impersonated: bool,
    /// Where it was made.
    ip: Option<String>,
    /// What it was made with.
    user_agent: Option<String>,
    /// When it was made.
    signed_in_at: Time,
    /// When it was last seen, to the minute.
    last_seen_at: Time,
    /// When it ends whatever happens.
    expires_at: Time,
}

impl SessionAttributes {
    pub fn new(session: &Session, current: &SessionId) -> Self {
        Self {
            current: session.id == *current,
            client: session.client.as_str(),
            impersonated: session.impersonator.is_some(),
            ip: session.device.ip.map(|ip| ip.to_string()),
            user_agent: session.device.user_agent.clone(),
            signed_in_at: session.created_at.into(),
            last_seen_at: session.last_seen_at.into(),
            expires_at: session.expires_at.into(),
        }
    }
}

/// One's own living sessions, newest first.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "session", security(("access" = [])),
    params(("page[size]" = Option<u32>, Query, minimum = 1, maximum = 100), ("page[after]" = Option<String>, Query)),
    responses((status = 200, description = "A page of sessions", body = inline(super::openapi::SessionsDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn list(
    services: Data<Services>,
    access: Access,
    ApiQuery(page): ApiQuery<Page>,
) -> Result<HttpResponse, ApiError> {
    let sessions = services.overview.sessions(access.claims().subject).await?;
    let (shown, next) = page_of(&sessions, &page, "/api/v1/sessions", |session| session.id.to_string())?;
    let current = access.claims().session();
    let resources = shown
        .iter()
        .map(|session| resource("sessions", session.id.as_str(), SessionAttributes::new(session, &current)))
        .collect();
    Ok(Document::list(resources, next).ok())
}

/// Ends one of one's own sessions, by identifier or `current`.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "session", security(("access" = [])),
    params(("id" = String, Path, description = "A session's identifier, or `current`")),
    responses((status = 204, description = "Ended")))]
pub(super) async fn end(
    services: Data<Services>,
    access: Access,
    id: Path<String>,
    _: NoBody,
) -> Result<HttpResponse, ApiError> {
    let session = match id.as_str() {
        "current" => access.claims().session(),
        id => SessionId::parse(id).ok_or(Code::NOT_FOUND)?,
    };
    services.end_sessions.end_one(access.claims(), &session, &access.context).await.map_err(end_error)?;
    Ok(no_content())
}

/// Ends all of one's own sessions, this one too.
#[utoipa::path(delete, path = "/api/v1/sessions", tag = "session", security(("access" = [])),
    responses((status = 204, description = "Ended")))]
pub(super) async fn end_all(services: Data<Services>, access: Access, _: NoBody) -> Result<HttpResponse, ApiError> {
    let proof = LogoutProof::Access(access.claims());
    services.end_sessions.log_out(proof, true, &access.context).await.map_err(end_error)?;
    Ok(no_content())
}

/// One login.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LoginAttributes {
    /// The session it began.
    session_id: String,
    /// When.
    at: Time,
    /// Whether it was an administrator who began to act as the person.
    impersonated: bool,
    /// Where from.
    ip: Option<String>,
    /// What with.
    user_agent: Option<String>,
}

impl LoginAttributes {
    pub fn new(login: &LoginRecord) -> Self {
        Self {
            session_id: login.token_id.session_str().to_owned(),
            at: login.at.into(),
            impersonated: login.impersonator.is_some(),
            ip: login.device.ip.map(|ip| ip.to_string()),
            user_agent: login.device.user_agent.clone(),
        }
    }
}

/// One's own logins, newest first. The identifier of each is its first access token's.
#[utoipa::path(get, path = "/api/v1/login-history", tag = "session", security(("access" = [])),
    params(("page[size]" = Option<u32>, Query, minimum = 1, maximum = 100), ("page[after]" = Option<String>, Query)),
    responses((status = 200, description = "A page of logins", body = inline(super::openapi::LoginsDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn history(
    services: Data<Services>,
    access: Access,
    ApiQuery(page): ApiQuery<Page>,
) -> Result<HttpResponse, ApiError> {
    let after = page.after.as_deref().map(read_cursor).transpose()?;
    let logins = services.overview.logins(access.claims().subject, after, page.size + 1).await?;
    let cursor = |last: &LoginRecord| write_cursor(&(last.at, last.token_id.clone()));
    let (logins, next) = cut(logins, &page, cursor);
    let next = next.map(|cursor| next_link("/api/v1/login-history", page.size, &cursor));
    let resources = logins
        .iter()
        .map(|login| resource("loginHistory", login.token_id.as_str(), LoginAttributes::new(login)))
        .collect();
    Ok(Document::list(resources, next).ok())
}

/// A place in a history, as the cursor of a list.
pub(super) fn write_cursor((at, token): &HistoryCursor) -> String {
    cursor_to(*at, token)
}

/// Reads [`write_cursor`].
pub(super) fn read_cursor(text: &str) -> Result<HistoryCursor, ApiError> {
    let parts = text
        .split_once('~')
        .and_then(|(at, token)| Some((Timestamp::from_micros(at.parse().ok()?), TokenId::parse(token)?)));
    parts.ok_or_else(|| ApiError::new(Code::INVALID_PARAMETER).parameter("page[after]"))
}
