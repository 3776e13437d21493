//! `/attendance/…`, `/attendances`: one's own coming and going.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use keystead_application::attendance::AttendanceError;
use keystead_application::ports::{AttendanceFilter, AttendancePage};
use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::attendance::{Attendance, AttendanceId, AttendanceRefusal, LocalDate, Presence, Remarks};
use keystead_domain::limits::ATTENDANCE;
use serde::Serialize;

use super::RequestLimits;
use super::access::{Access, Acting, services};
use super::paging::{cursor_to, cut};
use crate::dto;
use crate::http::{
    ApiError, ApiQuery, Code, Document, NoQuery, OptionalBody, Page, Params, Query, Resource, Time, next_link_with,
    resource,
};
use crate::services::{self, Services};

/// The use-cases. Where attendance is switched off, its routes are not there: whoever asks, that is the answer.
pub(super) struct SwitchedOn(pub Arc<services::Attendance>);

impl FromRequest for SwitchedOn {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let switched_on = |services: &Data<Services>| services.attendance.clone().ok_or(Code::NOT_FOUND.into());
        ready(services(req).and_then(switched_on).map(Self))
    }
}

/// One end of a stay.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PresenceAttributes {
    /// When.
    at: Time,
    /// Where from.
    ip: Option<String>,
    /// What with.
    user_agent: Option<String>,
    /// In the person's words.
    remarks: Option<String>,
}

impl PresenceAttributes {
    fn new(presence: &Presence) -> Self {
        Self {
            at: presence.at.into(),
            ip: presence.device.ip.map(|ip| ip.to_string()),
            user_agent: presence.device.user_agent.clone(),
            remarks: presence.remarks.as_ref().map(|remarks| remarks.as_str().to_owned()),
        }
    }
}

/// A person's day.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttendanceAttributes {
    /// The day of the check-in, where the service is: `2026-01-31`.
    #[schema(format = Date)]
    date: String,
    /// The check-in.
    #[schema(inline)]
    checked_in: PresenceAttributes,
    /// The check-out; none while the person is in.
    #[schema(inline)]
    checked_out: Option<PresenceAttributes>,
    /// When the person was reminded to check out.
    reminded_at: Option<Time>,
}

impl AttendanceAttributes {
    pub fn new(row: &Attendance) -> Self {
        Self {
            date: row.date.to_string(),
            checked_in: PresenceAttributes::new(&row.entered),
            checked_out: row.left.as_ref().map(PresenceAttributes::new),
            reminded_at: row.reminded_at.map(Time),
        }
    }
}

/// How one's day stands.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusAttributes {
    /// Today, where the service is: `2026-01-31`.
    #[schema(format = Date)]
    date: String,
    /// The service's time zone.
    time_zone: String,
    /// Whether one checked in today. If not, one can.
    has_checked_in: bool,
    /// Whether one checked out of today.
    has_checked_out: bool,
    /// What a check-out would close, of today or of the day before when one is still in; else today's.
    #[schema(inline)]
    attendance: Option<CurrentAttendance>,
}

/// A row with its identifier.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct CurrentAttendance {
    id: String,
    #[serde(flatten)]
    attributes: AttendanceAttributes,
}

fn refused(error: AttendanceError) -> ApiError {
    match error {
        AttendanceError::MfaRequired => ApiError::new(Code::MFA_REQUIRED),
        AttendanceError::SessionOver => ApiError::new(Code::SESSION_ENDED),
        AttendanceError::Refused(AttendanceRefusal::AlreadyIn) => ApiError::new(Code::ALREADY_CHECKED_IN),
        AttendanceError::Refused(AttendanceRefusal::AlreadyOut) => ApiError::new(Code::ALREADY_CHECKED_OUT),
        AttendanceError::Refused(AttendanceRefusal::NotIn) => ApiError::new(Code::NOT_CHECKED_IN),
        AttendanceError::Failure(failure) => failure.into(),
    }
}

fn shown(row: &Attendance) -> Resource<'static, AttendanceAttributes> {
    resource("attendances", row.id.to_string(), AttendanceAttributes::new(row))
}

/// How one's day stands.
#[utoipa::path(get, path = "/api/v1/attendance/status", tag = "attendance", security(("access" = [])),
    responses((status = 200, description = "Today", body = inline(super::openapi::AttendanceStatusDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn status(
    SwitchedOn(attendance): SwitchedOn,
    access: Access,
    _: NoQuery,
) -> Result<HttpResponse, ApiError> {
    let user = access.claims().subject;
    let status = attendance.own.status(user).await.map_err(refused)?;
    let attributes = StatusAttributes {
        date: status.date.to_string(),
        time_zone: status.time_zone,
        has_checked_in: status.checked_in,
        has_checked_out: status.checked_out,
        attendance: status
            .attendance
            .map(|row| CurrentAttendance { id: row.id.to_string(), attributes: AttendanceAttributes::new(&row) }),
    };
    Ok(Document::single(resource("attendanceStatuses", user.to_string(), attributes)).ok())
}

dto! {
    /// A check-in or check-out. There need not be one.
    pub struct AttendanceBody: "attendances" {
        /// At most 100 characters on one line.
        remarks: Option<String>,
    }
}

/// What the person says, counted once it is in order.
async fn remarks(
    limits: &RequestLimits,
    acting: &Acting,
    body: OptionalBody<AttendanceBody>,
) -> Result<Option<Remarks>, ApiError> {
    let mut remarks = None;
    if let OptionalBody(Some(body)) = body {
        let mut check = body.check();
        let read = body.remarks.as_deref().map(Remarks::try_new);
        let read = check.optional("remarks", read, Code::INVALID_REMARKS);
        remarks = check.finish(read)?.flatten();
    }
    limits.count_for(acting.caller.claims.subject, &ATTENDANCE).await?;
    Ok(remarks)
}

/// Checks in: once a day of the service's time zone.
#[utoipa::path(post, path = "/api/v1/attendance/in", tag = "attendance", request_body = Option<AttendanceBody>, security(("access" = [], "step_up" = [])),
    responses((status = 201, description = "The row", body = inline(super::openapi::AttendanceDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn check_in(
    SwitchedOn(attendance): SwitchedOn,
    limits: Data<RequestLimits>,
    acting: Acting,
    body: OptionalBody<AttendanceBody>,
) -> Result<HttpResponse, ApiError> {
    let remarks = remarks(&limits, &acting, body).await?;
    let row = attendance.own.check_in(&acting.caller, remarks, &acting.context).await.map_err(refused)?;
    Ok(Document::single(shown(&row)).created())
}

/// Checks out of today, or of the day before when one is still in.
#[utoipa::path(post, path = "/api/v1/attendance/out", tag = "attendance", request_body = Option<AttendanceBody>, security(("access" = [], "step_up" = [])),
    responses((status = 200, description = "The row", body = inline(super::openapi::AttendanceDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn check_out(
    SwitchedOn(attendance): SwitchedOn,
    limits: Data<RequestLimits>,
    acting: Acting,
    body: OptionalBody<AttendanceBody>,
) -> Result<HttpResponse, ApiError> {
    let remarks = remarks(&limits, &acting, body).await?;
    let row = attendance.own.check_out(&acting.caller, remarks, &acting.context).await.map_err(refused)?;
    Ok(Document::single(shown(&row)).ok())
}

/// Which rows, whosever they are.
pub(super) struct AttendanceQuery {
    pub filter: AttendanceFilter,
    pub page: Page,
    /// The parameters again, for the link to the next page.
    kept: Vec<(&'static str, String)>,
}

/// The filters of every list and file.
pub(super) fn read_filter(params: &mut Params, kept: &mut Vec<(&'static str, String)>) -> AttendanceFilter {
    let mut take = |params: &mut Params, name: &'static str| {
        let text = params.take(name)?;
        kept.push((name, text.clone()));
        Some(text)
    };
    let mut date = |params: &mut Params, name: &'static str| {
        let date = LocalDate::try_new(&take(params, name)?).ok();
        if date.is_none() {
            params.refuse(name, "must be a day of the form 2026-01-31");
        }
        date
    };
    let (on, from, to) = (date(params, "filter[date]"), date(params, "filter[from]"), date(params, "filter[to]"));
    let open = match take(params, "filter[open]").as_deref() {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => {
            params.refuse("filter[open]", "must be true or false");
            None
        }
    };
    // Both count: one day, within the others.
    AttendanceFilter { user: None, from: on.max(from), to: on.into_iter().chain(to).min(), open }
}

/// The filter of whose rows.
pub(super) fn read_user(params: &mut Params, kept: &mut Vec<(&'static str, String)>) -> Option<UserId> {
    let text = params.take("filter[user]")?;
    let user = UserId::parse(&text);
    if user.is_none() {
        params.refuse("filter[user]", "must be the identifier of an account");
    }
    kept.push(("filter[user]", text));
    user
}

impl Query for AttendanceQuery {
    fn read(params: &mut Params) -> Self {
        let mut kept = Vec::new();
        let filter = read_filter(params, &mut kept);
        Self { filter, page: Page::read(params), kept }
    }
}

impl AttendanceQuery {
    /// Of these parameters, read elsewhere.
    pub fn of(filter: AttendanceFilter, page: Page, kept: Vec<(&'static str, String)>) -> Self {
        Self { filter, page, kept }
    }

    /// The page to be asked for: one row more than is shown.
    pub fn page(&self) -> Result<AttendancePage, ApiError> {
        let after = self.page.after.as_deref().map(read_cursor).transpose()?;
        Ok(AttendancePage { filter: self.filter.clone(), after, size: self.page.size.saturating_add(1) })
    }

    /// The rows that are shown, and the link to what comes after them.
    pub fn shown<T>(&self, rows: Vec<T>, path: &str, row: impl Fn(&T) -> &Attendance) -> (Vec<T>, Option<String>) {
        let cursor = |shown: &T| cursor_to(row(shown).entered.at, &row(shown).id);
        let (rows, next) = cut(rows, &self.page, cursor);
        (rows, next.map(|cursor| next_link_with(path, &self.kept, self.page.size, &cursor)))
    }
}

pub(super) fn read_cursor(text: &str) -> Result<(Timestamp, AttendanceId), ApiError> {
    let parts = text.split_once('~').and_then(|(at, id)| {
        let id = UserId::parse(id)?.as_uuid();
        Some((Timestamp::from_micros(at.parse().ok()?), AttendanceId(id)))
    });
    parts.ok_or_else(|| ApiError::new(Code::INVALID_PARAMETER).parameter("page[after]"))
}

/// One's own rows, newest first.
#[utoipa::path(get, path = "/api/v1/attendances", tag = "attendance", security(("access" = [])),
    params(("page[size]" = Option<u32>, Query, minimum = 1, maximum = 100), ("page[after]" = Option<String>, Query),
        ("filter[date]" = Option<String>, Query, description = "The day: `2026-01-31`"),
        ("filter[from]" = Option<String>, Query, description = "The first day"),
        ("filter[to]" = Option<String>, Query, description = "The last day"),
        ("filter[open]" = Option<bool>, Query, description = "`true`: without a check-out; `false`: with one")),
    responses((status = 200, description = "A page of rows", body = inline(super::openapi::AttendancesDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn list(
    SwitchedOn(attendance): SwitchedOn,
    access: Access,
    ApiQuery(query): ApiQuery<AttendanceQuery>,
) -> Result<HttpResponse, ApiError> {
    let rows = attendance.own.list(access.claims().subject, query.page()?).await.map_err(refused)?;
    let (rows, next) = query.shown(rows, "/api/v1/attendances", |row| row);
    Ok(Document::list(rows.iter().map(shown).collect(), next).ok())
}
