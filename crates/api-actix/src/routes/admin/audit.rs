//! `/admin/audit-events`.

use actix_web::HttpResponse;
use actix_web::web::Data;
use keystead_application::ports::{AuditFilter, AuditRow, AuditRowId};
use keystead_domain::account::UserId;
use keystead_domain::audit::AuditEventName;
use serde::Serialize;

use super::refused;
use crate::http::{ApiError, ApiQuery, Code, Document, Page, Params, Query, Resource, Time, next_link_with, resource};
use crate::routes::access::Acting;
use crate::routes::paging::cut;
use crate::services::Services;

/// One row of the audit log.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::routes) struct AuditEventAttributes {
    /// What happened, in the words of the OWASP Logging Vocabulary where it has one.
    name: &'static str,
    /// When.
    at: Time,
    /// In whose name it was done; none for somebody not signed in, or an operator on the machine.
    actor_id: Option<String>,
    /// The administrator who acted as the actor.
    impersonator_id: Option<String>,
    /// Whose account it concerns.
    subject_id: Option<String>,
    /// The session it happened in or to.
    session_id: Option<String>,
    /// Where the request came from.
    ip: Option<String>,
    /// What it was made with.
    user_agent: Option<String>,
    /// What the name alone does not say.
    detail: Option<String>,
    /// The row's place in the chain; none in the first second.
    position: Option<i64>,
}

fn shown(row: &AuditRow) -> Resource<'static, AuditEventAttributes> {
    let event = &row.event;
    let id = |user: Option<UserId>| user.map(|user| user.to_string());
    let attributes = AuditEventAttributes {
        name: event.name.as_str(),
        at: event.at.into(),
        actor_id: id(event.actor),
        impersonator_id: id(event.impersonator),
        subject_id: id(event.subject),
        session_id: event.session.as_ref().map(ToString::to_string),
        ip: event.device.ip.map(|ip| ip.to_string()),
        user_agent: event.device.user_agent.clone(),
        detail: event.detail.clone(),
        position: row.link.map(|link| link.position),
    };
    resource("auditEvents", row.id.0.to_string(), attributes)
}

/// Which events.
pub(in crate::routes) struct AuditQuery {
    page: Page,
    filter: AuditFilter,
    /// The parameters again, for the link to the next page.
    kept: Vec<(&'static str, String)>,
}

impl Query for AuditQuery {
    fn read(params: &mut Params) -> Self {
        let mut kept = Vec::new();
        let name = filter(params, &mut kept, "filter[name]", "must be the name of an event", AuditEventName::parse);
        let account = "must be the identifier of an account";
        let actor = filter(params, &mut kept, "filter[actor]", account, UserId::parse);
        let subject = filter(params, &mut kept, "filter[subject]", account, UserId::parse);
        let time = "must be a time of the form 2026-01-31T23:59:59Z";
        let from = filter(params, &mut kept, "filter[from]", time, Time::parse);
        let until = filter(params, &mut kept, "filter[until]", time, Time::parse);
        Self { page: Page::read(params), filter: AuditFilter { name, actor, subject, from, until }, kept }
    }
}

fn filter<T>(
    params: &mut Params,
    kept: &mut Vec<(&'static str, String)>,
    name: &'static str,
    expected: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    let text = params.take(name)?;
    let value = read(&text);
    if value.is_none() {
        params.refuse(name, expected);
    }
    kept.push((name, text));
    value
}

/// Security events, newest first.
#[utoipa::path(get, path = "/api/v1/admin/audit-events", tag = "admin", security(("access" = [], "step_up" = [])),
    params(("page[size]" = Option<u32>, Query, minimum = 1, maximum = 100), ("page[after]" = Option<String>, Query),
        ("filter[name]" = Option<String>, Query, description = "What happened"),
        ("filter[actor]" = Option<String>, Query, description = "Who did it, in person or as somebody else"),
        ("filter[subject]" = Option<String>, Query, description = "Whose account it concerns"),
        ("filter[from]" = Option<String>, Query, description = "Not before"),
        ("filter[until]" = Option<String>, Query, description = "Before")),
    responses((status = 200, description = "A page of events", body = inline(super::super::openapi::AuditEventsDocument), content_type = "application/vnd.api+json")))]
pub(in crate::routes) async fn list(
    services: Data<Services>,
    acting: Acting,
    ApiQuery(query): ApiQuery<AuditQuery>,
) -> Result<HttpResponse, ApiError> {
    let bad_cursor = || ApiError::new(Code::INVALID_PARAMETER).parameter("page[after]");
    let before = query.page.after.as_deref().map(|text| text.parse().map(AuditRowId).map_err(|_| bad_cursor()));
    let size = query.page.size.saturating_add(1);
    let rows = services.read_audit.list(&acting.caller, &query.filter, before.transpose()?, size).await;
    let (rows, next) = cut(rows.map_err(refused)?, &query.page, |row| row.id.0.to_string());
    let next = next.map(|cursor| next_link_with("/api/v1/admin/audit-events", &query.kept, query.page.size, &cursor));
    Ok(Document::list(rows.iter().map(shown).collect(), next).ok())
}
