//! `/admin/attendances…`, `/admin/users/{id}/attendances`.

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{Bytes, Path};
use futures_util::stream;
use keystead_application::attendance::{AttendanceExport, AttendanceView};
use keystead_application::ports::AttendanceFilter;
use keystead_domain::account::UserId;
use serde::Serialize;

use super::refused;
use crate::http::{ApiError, ApiQuery, Code, Document, Page, Params, Query, Resource, resource};
use crate::routes::access::Acting;
use crate::routes::attendance::{AttendanceAttributes, AttendanceQuery, SwitchedOn, read_filter, read_user};

/// Somebody's day, as administrators see it.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::routes) struct ManagedAttendanceAttributes {
    /// Whose.
    user_id: String,
    /// What they want to be called.
    full_name: Option<String>,
    /// Their address.
    email: Option<String>,
    #[serde(flatten)]
    attendance: AttendanceAttributes,
}

fn shown(view: &AttendanceView) -> Resource<'static, ManagedAttendanceAttributes> {
    let (row, user) = (&view.attendance, view.user.as_ref());
    let attributes = ManagedAttendanceAttributes {
        user_id: row.user_id.to_string(),
        full_name: user.and_then(|user| user.full_name.as_ref()).map(ToString::to_string),
        email: user.and_then(|user| user.email_address()).map(ToString::to_string),
        attendance: AttendanceAttributes::new(row),
    };
    resource("attendances", row.id.to_string(), attributes)
}

/// Which rows of everybody's.
pub(in crate::routes) struct EverybodysQuery(AttendanceQuery);

impl Query for EverybodysQuery {
    fn read(params: &mut Params) -> Self {
        let mut kept = Vec::new();
        let user = read_user(params, &mut kept);
        let filter = AttendanceFilter { user, ..read_filter(params, &mut kept) };
        Self(AttendanceQuery::of(filter, Page::read(params), kept))
    }
}

/// Everybody's rows, newest first.
#[utoipa::path(get, path = "/api/v1/admin/attendances", tag = "admin", security(("access" = [], "step_up" = [])),
    params(("page[size]" = Option<u32>, Query, minimum = 1, maximum = 100), ("page[after]" = Option<String>, Query),
        ("filter[user]" = Option<String>, Query, description = "Whose"),
        ("filter[date]" = Option<String>, Query, description = "The day: `2026-01-31`"),
        ("filter[from]" = Option<String>, Query, description = "The first day"),
        ("filter[to]" = Option<String>, Query, description = "The last day"),
        ("filter[open]" = Option<bool>, Query, description = "`true`: without a check-out; `false`: with one")),
    responses((status = 200, description = "A page of rows", body = inline(super::super::openapi::ManagedAttendancesDocument), content_type = "application/vnd.api+json")))]
pub(in crate::routes) async fn list(
    SwitchedOn(attendance): SwitchedOn,
    acting: Acting,
    ApiQuery(EverybodysQuery(query)): ApiQuery<EverybodysQuery>,
) -> Result<HttpResponse, ApiError> {
    let rows = attendance.manage.list(&acting.caller, &query.page()?).await.map_err(refused)?;
    let (rows, next) = query.shown(rows, "/api/v1/admin/attendances", |view| &view.attendance);
    Ok(Document::list(rows.iter().map(shown).collect(), next).ok())
}

/// Rows of one person, newest first.
#[utoipa::path(get, path = "/api/v1/admin/users/{id}/attendances", tag = "admin", security(("access" = [], "step_up" = [])),
    params(("id" = String, Path, description = "The account"),
        ("page[size]" = Option<u32>, Query, minimum = 1, maximum = 100), ("page[after]" = Option<String>, Query),
        ("filter[date]" = Option<String>, Query, description = "The day: `2026-01-31`"),
        ("filter[from]" = Option<String>, Query, description = "The first day"),
        ("filter[to]" = Option<String>, Query, description = "The last day"),
        ("filter[open]" = Option<bool>, Query, description = "`true`: without a check-out; `false`: with one")),
    responses((status = 200, description = "A page of rows", body = inline(super::super::openapi::ManagedAttendancesDocument), content_type = "application/vnd.api+json")))]
pub(in crate::routes) async fn of_user(
    SwitchedOn(attendance): SwitchedOn,
    acting: Acting,
    path: Path<String>,
    ApiQuery(query): ApiQuery<AttendanceQuery>,
) -> Result<HttpResponse, ApiError> {
    let user = UserId::parse(&path).ok_or(Code::NOT_FOUND)?;
    let rows = attendance.manage.of_user(&acting.caller, user, query.page()?).await.map_err(refused)?;
    let path = format!("/api/v1/admin/users/{user}/attendances");
    let (rows, next) = query.shown(rows, &path, |view| &view.attendance);
    Ok(Document::list(rows.iter().map(shown).collect(), next).ok())
}

/// Which rows of a file: all of them, without pages.
pub(in crate::routes) struct FileQuery(AttendanceFilter);

impl Query for FileQuery {
    fn read(params: &mut Params) -> Self {
        let user = read_user(params, &mut Vec::new());
        Self(AttendanceFilter { user, ..read_filter(params, &mut Vec::new()) })
    }
}

/// Rows as a file for spreadsheets (RFC 4180, UTF-8), newest first, with local times. Cells that a spreadsheet would take for
/// formulas begin with an apostrophe. When reading fails half-way the connection ends before the file does.
#[utoipa::path(get, path = "/api/v1/admin/attendances/export", tag = "admin", security(("access" = [], "step_up" = [])),
    params(("filter[user]" = Option<String>, Query, description = "Whose"),
        ("filter[date]" = Option<String>, Query, description = "The day: `2026-01-31`"),
        ("filter[from]" = Option<String>, Query, description = "The first day"),
        ("filter[to]" = Option<String>, Query, description = "The last day"),
        ("filter[open]" = Option<bool>, Query, description = "`true`: without a check-out; `false`: with one")),
    responses((status = 200, description = "The file", body = String, content_type = "text/csv")))]
pub(in crate::routes) async fn export(
    SwitchedOn(attendance): SwitchedOn,
    acting: Acting,
    ApiQuery(FileQuery(filter)): ApiQuery<FileQuery>,
) -> Result<HttpResponse, ApiError> {
    let mut export = attendance.manage.export(&acting.caller, filter, &acting.context).await.map_err(refused)?;
    // What fails before the first byte can still be told.
    let first = export.next().await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present")))
        .insert_header((
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"attendances.csv\""),
        ))
        .streaming(stream::unfold((first, export), part)))
}

/// The part of a file that is at hand; the next one is read when that has been taken.
async fn part(
    (at_hand, mut export): (Option<String>, AttendanceExport),
) -> Option<(Result<Bytes, ApiError>, (Option<String>, AttendanceExport))> {
    if let Some(text) = at_hand {
        return Some((Ok(Bytes::from(text)), (None, export)));
    }
    match export.next().await {
        Ok(text) => Some((Ok(Bytes::from(text?)), (None, export))),
        Err(failure) => {
            // actix-http ends the connection; nobody else says why.
            tracing::error!(error = %failure, "a file ended half-way");
            Some((Err(failure.into()), (None, export)))
        }
    }
}
