//! `/admin/sessions…`.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use keystead_application::admin::SessionPage;
use keystead_domain::account::UserId;
use keystead_domain::token::{Session, SessionId};
use serde::Serialize;

use super::refused;
use crate::http::{
    ApiError, ApiQuery, Code, Document, NoBody, Page, Params, Query, Resource, next_link, next_link_with, no_content,
    resource,
};
use crate::routes::access::Acting;
use crate::routes::paging::page_of;
use crate::routes::sessions::{SessionAttributes, read_cursor, write_cursor};
use crate::services::Services;

/// A signed-in client of somebody.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::routes) struct ManagedSessionAttributes {
    /// Whose.
    user_id: String,
    /// The administrator who acts as the user in it.
    impersonator_id: Option<String>,
    #[serde(flatten)]
    session: SessionAttributes,
}

fn shown(session: &Session, current: &SessionId) -> Resource<'static, ManagedSessionAttributes> {
    let attributes = ManagedSessionAttributes {
        user_id: session.user_id.to_string(),
        impersonator_id: session.impersonator.map(|admin| admin.to_string()),
        session: SessionAttributes::new(session, current),
    };
    resource("sessions", session.id.to_string(), attributes)
}

/// Which sessions.
pub(in crate::routes) struct SessionQuery {
    page: Page,
    user: Option<UserId>,
}

impl Query for SessionQuery {
    fn read(params: &mut Params) -> Self {
        let user = params.take("filter[user]").and_then(|text| {
            let user = UserId::parse(&text);
            if user.is_none() {
                params.refuse("filter[user]", "must be the identifier of an account");
            }
            user
        });
        Self { page: Page::read(params), user }
    }
}

/// Living sessions of everybody, or of one person, newest sign-in first. A page may hold fewer than it could: there is more as
/// long as there is a link to it.
#[utoipa::path(get, path = "/api/v1/admin/sessions", tag = "admin", security(("access" = [], "step_up" = [])),
    params(("page[size]" = Option<u32>, Query, minimum = 1, maximum = 100), ("page[after]" = Option<String>, Query),
        ("filter[user]" = Option<String>, Query, description = "The account whose sessions are wanted")),
    responses((status = 200, description = "A page of sessions", body = inline(super::super::openapi::ManagedSessionsDocument), content_type = "application/vnd.api+json")))]
pub(in crate::routes) async fn list(
    services: Data<Services>,
    acting: Acting,
    ApiQuery(SessionQuery { page, user }): ApiQuery<SessionQuery>,
) -> Result<HttpResponse, ApiError> {
    const PATH: &str = "/api/v1/admin/sessions";
    let current = acting.caller.claims.session();
    let Some(user) = user else {
        let after = page.after.as_deref().map(read_cursor).transpose()?;
        let result = services.manage_sessions.list(&acting.caller, after, page.size).await;
        let SessionPage { sessions, next } = result.map_err(refused)?;
        let next = next.map(|cursor| next_link(PATH, page.size, &write_cursor(&cursor)));
        return Ok(Document::list(sessions.iter().map(|session| shown(session, &current)).collect(), next).ok());
    };
    let sessions = services.manage_sessions.of_user(&acting.caller, user).await.map_err(refused)?;
    let (part, next) = page_of(&sessions, &page, PATH, |session| session.id.to_string())?;
    // The filter belongs to the link, too.
    let last = part.last().filter(|_| next.is_some()).map(|session| session.id.to_string());
    let next = last.map(|last| next_link_with(PATH, &[("filter[user]", user.to_string())], page.size, &last));
    Ok(Document::list(part.iter().map(|session| shown(session, &current)).collect(), next).ok())
}

/// Ends a session of somebody.
#[utoipa::path(delete, path = "/api/v1/admin/sessions/{id}", tag = "admin", security(("access" = [], "step_up" = [])),
    params(("id" = String, Path, description = "A session's identifier")),
    responses((status = 204, description = "Ended")))]
pub(in crate::routes) async fn end(
    services: Data<Services>,
    acting: Acting,
    id: Path<String>,
    _: NoBody,
) -> Result<HttpResponse, ApiError> {
    let session = SessionId::parse(&id).ok_or(Code::NOT_FOUND)?;
    services.manage_sessions.end(&acting.caller, &session, &acting.context).await.map_err(refused)?;
    Ok(no_content())
}

/// Ends every session of everybody, this one too.
#[utoipa::path(delete, path = "/api/v1/admin/sessions", tag = "admin", security(("access" = [], "step_up" = [])),
    responses((status = 204, description = "Ended")))]
pub(in crate::routes) async fn end_everybody(
    services: Data<Services>,
    acting: Acting,
    _: NoBody,
) -> Result<HttpResponse, ApiError> {
    services.manage_sessions.end_everybody(&acting.caller, &acting.context).await.map_err(refused)?;
    Ok(no_content())
}
