//! `/admin/outbox…`.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use keystead_application::admin::OutboxCursor;
use keystead_application::ports::{OutboxEntry, OutboxId};
use keystead_domain::Timestamp;
use serde::Serialize;

use super::refused;
use crate::http::{ApiError, ApiQuery, Code, Document, NoBody, Page, Resource, Time, next_link, resource};
use crate::routes::access::Acting;
use crate::routes::paging::{cursor_to, cut};
use crate::services::Services;

/// A message that waits, or that will not be sent: nothing of what it says, or to whom.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::routes) struct OutboxAttributes {
    /// `waiting` or `dead`.
    state: &'static str,
    /// How often it was tried.
    attempts: u32,
    /// When it was written.
    created_at: Time,
    /// When it is tried next.
    due_at: Option<Time>,
    /// Not sent from then on.
    expires_at: Time,
    /// When it was given up.
    dead_at: Option<Time>,
    /// What the last try ended with.
    error: Option<String>,
}

fn shown(entry: &OutboxEntry) -> Resource<'static, OutboxAttributes> {
    let attributes = OutboxAttributes {
        state: if entry.dead_at.is_some() { "dead" } else { "waiting" },
        attempts: entry.attempts,
        created_at: entry.created_at.into(),
        due_at: entry.dead_at.is_none().then(|| entry.due_at.into()),
        expires_at: entry.expires_at.into(),
        dead_at: entry.dead_at.map(Time::from),
        error: entry.error.clone(),
    };
    resource("outboxMessages", entry.id.0.clone(), attributes)
}

/// Messages that wait or are dead, newest first.
#[utoipa::path(get, path = "/api/v1/admin/outbox", tag = "admin", security(("access" = [], "step_up" = [])),
    params(("page[size]" = Option<u32>, Query, minimum = 1, maximum = 100), ("page[after]" = Option<String>, Query)),
    responses((status = 200, description = "A page of messages", body = inline(super::super::openapi::OutboxDocument), content_type = "application/vnd.api+json")))]
pub(in crate::routes) async fn list(
    services: Data<Services>,
    acting: Acting,
    ApiQuery(page): ApiQuery<Page>,
) -> Result<HttpResponse, ApiError> {
    let after = page.after.as_deref().map(read_cursor).transpose()?;
    let result = services.manage_outbox.list(&acting.caller, after, page.size.saturating_add(1)).await;
    let cursor = |entry: &OutboxEntry| cursor_to(entry.created_at, &entry.id.0);
    let (entries, next) = cut(result.map_err(refused)?, &page, cursor);
    let next = next.map(|cursor| next_link("/api/v1/admin/outbox", page.size, &cursor));
    Ok(Document::list(entries.iter().map(shown).collect(), next).ok())
}

pub(in crate::routes) fn read_cursor(text: &str) -> Result<OutboxCursor, ApiError> {
    let parts =
        text.split_once('~').and_then(|(at, id)| Some((Timestamp::from_micros(at.parse().ok()?), message(id)?)));
    parts.ok_or_else(|| ApiError::new(Code::INVALID_PARAMETER).parameter("page[after]"))
}

/// The identifier of a message.
fn message(text: &str) -> Option<OutboxId> {
    let is_id = text.len() == 21 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    is_id.then(|| OutboxId(text.to_owned()))
}

/// Has a message tried at once.
#[utoipa::path(post, path = "/api/v1/admin/outbox/{id}/retry", tag = "admin", security(("access" = [], "step_up" = [])),
    params(("id" = String, Path, description = "The message")),
    responses((status = 200, description = "The message as it is now", body = inline(super::super::openapi::OutboxMessageDocument), content_type = "application/vnd.api+json")))]
pub(in crate::routes) async fn retry(
    services: Data<Services>,
    acting: Acting,
    id: Path<String>,
    _: NoBody,
) -> Result<HttpResponse, ApiError> {
    let id = message(&id).ok_or(Code::NOT_FOUND)?;
    let entry = services.manage_outbox.retry(&acting.caller, &id, &acting.context).await.map_err(refused)?;
    Ok(Document::single(shown(&entry)).ok())
}
