//! `/admin/users…`.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use keystead_application::account::UpdateProfileCommand;
use keystead_application::admin::{AdminError, CreateUserCommand, UpdateUserCommand};
use keystead_application::ports::{UserFilter, UserPage};
use keystead_domain::Timestamp;
use keystead_domain::account::{
    AccountStatus, Address, EmailAddress, FullName, Locale, PhoneNumber, Reason, Role, User, UserId, Username,
};
use keystead_domain::limits::IMPERSONATION;
use serde::Serialize;

use super::refused;
use crate::dto;
use crate::http::{
    ApiBody, ApiError, ApiQuery, Change, Code, Document, NoBody, NoQuery, Page, Params, Pointers, Query, Resource,
    next_link_with, no_content, resource,
};
use crate::routes::RequestLimits;
use crate::routes::access::Acting;
use crate::routes::me::{UserAttributes, changed};
use crate::routes::paging::{cursor_to, cut};
use crate::routes::tokens;
use crate::services::Services;

/// An account, as administrators see it.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::routes) struct ManagedUserAttributes {
    #[serde(flatten)]
    user: UserAttributes,
    /// `active`, `banned` (by an administrator) or `deactivated` (by its owner).
    status: &'static str,
}

fn shown(user: &User) -> Resource<'static, ManagedUserAttributes> {
    let attributes = ManagedUserAttributes { user: UserAttributes::new(user), status: status_name(user.status) };
    resource("users", user.id.to_string(), attributes)
}

const fn status_name(status: AccountStatus) -> &'static str {
    match status {
        AccountStatus::Active => "active",
        AccountStatus::Banned => "banned",
        AccountStatus::Deactivated => "deactivated",
    }
}

fn id(path: &Path<String>) -> Result<UserId, ApiError> {
    UserId::parse(path).ok_or_else(|| Code::NOT_FOUND.into())
}

/// Which users, and in which order.
pub(in crate::routes) struct UserQuery {
    page: Page,
    filter: UserFilter,
    newest_first: bool,
    /// The parameters again, for the link to the next page.
    kept: Vec<(&'static str, String)>,
}

impl Query for UserQuery {
    fn read(params: &mut Params) -> Self {
        let mut kept = Vec::new();
        let mut take = |params: &mut Params, name: &'static str| {
            let value = params.take(name)?;
            kept.push((name, value.clone()));
            Some(value)
        };
        let status = take(params, "filter[status]").and_then(|text| {
            let all = [AccountStatus::Active, AccountStatus::Banned, AccountStatus::Deactivated];
            let found = all.into_iter().find(|status| status_name(*status) == text);
            if found.is_none() {
                params.refuse("filter[status]", "must be 'active', 'banned' or 'deactivated'");
            }
            found
        });
        let role = take(params, "filter[role]").and_then(|text| {
            let found = Role::parse(&text).ok();
            if found.is_none() {
                params.refuse("filter[role]", "must be 'user', 'admin' or 'super-admin'");
            }
            found
        });
        let email_prefix = take(params, "filter[email]").map(|text| text.to_lowercase());
        if email_prefix.as_ref().is_some_and(|prefix| prefix.is_empty() || prefix.len() > 254) {
            params.refuse("filter[email]", "must be the beginning of an e-mail address");
        }
        let newest_first = match take(params, "sort").as_deref() {
            None | Some("createdAt") => false,
            Some("-createdAt") => true,
            Some(_) => {
                params.refuse("sort", "must be 'createdAt' or '-createdAt'");
                false
            }
        };
        Self { page: Page::read(params), filter: UserFilter { status, role, email_prefix }, newest_first, kept }
    }
}

/// Accounts, oldest first.
#[utoipa::path(get, path = "/api/v1/admin/users", tag = "admin", security(("access" = [], "step_up" = [])),
    params(("page[size]" = Option<u32>, Query, minimum = 1, maximum = 100), ("page[after]" = Option<String>, Query),
        ("filter[status]" = Option<String>, Query, description = "`active`, `banned` or `deactivated`"),
        ("filter[role]" = Option<String>, Query, description = "`user`, `admin` or `super-admin`"),
        ("filter[email]" = Option<String>, Query, description = "How the e-mail address begins"),
        ("sort" = Option<String>, Query, description = "`createdAt` or `-createdAt`")),
    responses((status = 200, description = "A page of accounts", body = inline(super::super::openapi::ManagedUsersDocument), content_type = "application/vnd.api+json")))]
pub(in crate::routes) async fn list(
    services: Data<Services>,
    acting: Acting,
    ApiQuery(query): ApiQuery<UserQuery>,
) -> Result<HttpResponse, ApiError> {
    let after = query.page.after.as_deref().map(read_cursor).transpose()?;
    let page = UserPage {
        filter: query.filter,
        newest_first: query.newest_first,
        after,
        size: query.page.size.saturating_add(1),
    };
    let users = services.manage_users.list(&acting.caller, &page).await.map_err(refused)?;
    let (users, next) = cut(users, &query.page, |user| cursor_to(user.created_at, &user.id));
    let next = next.map(|cursor| next_link_with("/api/v1/admin/users", &query.kept, query.page.size, &cursor));
    Ok(Document::list(users.iter().map(shown).collect(), next).ok())
}

pub(in crate::routes) fn read_cursor(text: &str) -> Result<(Timestamp, UserId), ApiError> {
    let parts = text.split_once('~');
    let parts = parts.and_then(|(at, id)| Some((Timestamp::from_micros(at.parse().ok()?), UserId::parse(id)?)));
    parts.ok_or_else(|| ApiError::new(Code::INVALID_PARAMETER).parameter("page[after]"))
}

/// One account.
#[utoipa::path(get, path = "/api/v1/admin/users/{id}", tag = "admin", security(("access" = [], "step_up" = [])),
    params(("id" = String, Path, description = "The account")),
    responses((status = 200, description = "The account", body = inline(super::super::openapi::ManagedUserDocument), content_type = "application/vnd.api+json")))]
pub(in crate::routes) async fn read(
    services: Data<Services>,
    acting: Acting,
    path: Path<String>,
    _: NoQuery,
) -> Result<HttpResponse, ApiError> {
    let user = services.manage_users.get(&acting.caller, id(&path)?).await.map_err(refused)?;
    Ok(Document::single(shown(&user)).ok())
}

dto! {
    /// An account to be made. Its owner is sent a link to choose a password.
    pub struct CreateUserBody: "users" {
        /// Where the link is sent. Either this or `phone`.
        #[schema(example = "ada@example.com")]
        email: Option<String>,
        /// Where the link is sent: with `+` and country code.
        phone: Option<String>,
        /// A public name.
        username: Option<String>,
        /// What to be called.
        full_name: Option<String>,
        /// Language of mails.
        locale: Option<String>,
        /// `user` (default), `admin` or `super-admin`; at most one's own.
        role: Option<String>,
    }
}

/// Makes an account. The activation link goes to its owner only.
#[utoipa::path(post, path = "/api/v1/admin/users", tag = "admin", request_body = CreateUserBody, security(("access" = [], "step_up" = [])),
    responses((status = 201, description = "The account; its owner was sent a link", body = inline(super::super::openapi::ManagedUserDocument), content_type = "application/vnd.api+json")))]
pub(in crate::routes) async fn create(
    services: Data<Services>,
    acting: Acting,
    body: ApiBody<CreateUserBody>,
) -> Result<HttpResponse, ApiError> {
    let at = body.pointers();
    let mut check = body.check();
    let email = check.optional("email", body.email.as_deref().map(EmailAddress::try_new), Code::INVALID_EMAIL);
    let phone = check.optional("phone", body.phone.as_deref().map(PhoneNumber::try_new), Code::INVALID_PHONE);
    match (&body.email, &body.phone) {
        (None, None) => check.refuse("email", Code::MISSING_ATTRIBUTE, "either 'email' or 'phone' is needed".into()),
        (Some(_), Some(_)) => {
            check.refuse("phone", Code::VALIDATION_FAILED, "either 'email' or 'phone', not both".into());
        }
        _ => {}
    }
    let username = check.optional("username", body.username.as_deref().map(Username::try_new), Code::INVALID_USERNAME);
    let full_name =
        check.optional("fullName", body.full_name.as_deref().map(FullName::try_new), Code::INVALID_FULL_NAME);
    let locale = check.optional("locale", body.locale.as_deref().map(Locale::try_new), Code::INVALID_LOCALE);
    let role = check.optional("role", body.role.as_deref().map(Role::parse), Code::INVALID_ROLE);
    let (email, phone, username, full_name, locale, role) =
        check.finish((email, phone, username, full_name, locale, role))?;
    let address = email.map(Address::Email).or_else(|| phone.map(Address::Phone));
    let address = address.ok_or_else(|| ApiError::internal("an address is missing without a problem noted"))?;
    let command = CreateUserCommand { address, username, full_name, locale, role: role.unwrap_or_default() };
    let result = services.manage_users.create(&acting.caller, command, &acting.context).await;
    let user = result.map_err(|error| pointed(error, at))?;
    Ok(Document::single(shown(&user)).created())
}

/// A refusal that is about one attribute, pointing there.
fn pointed(error: AdminError, at: Pointers) -> ApiError {
    let attribute = match error {
        AdminError::EmailTaken => "email",
        AdminError::PhoneTaken | AdminError::ContactNotAccepted => "phone",
        AdminError::UsernameTaken => "username",
        other => return refused(other),
    };
    refused(error).pointer(at.to(attribute))
}

dto! {
    /// A change of an account. Left out means keep; `null` removes a name or the language.
    pub struct UpdateUserBody: "users" {
        /// `user`, `admin` or `super-admin`; at most one's own.
        role: Option<String>,
        /// Whether the account can be used.
        is_active: Option<bool>,
        /// What to be called.
        #[schema(value_type = Option<String>)]
        full_name: Change<String>,
        /// A public name.
        #[schema(value_type = Option<String>)]
        username: Change<String>,
        /// Language of mails.
        #[schema(value_type = Option<String>)]
        locale: Change<String>,
    }
}

/// Changes an account. Role and standing hold from the next request on, on every replica.
#[utoipa::path(patch, path = "/api/v1/admin/users/{id}", tag = "admin", request_body = UpdateUserBody, security(("access" = [], "step_up" = [])),
    params(("id" = String, Path, description = "The account")),
    responses((status = 200, description = "The account as it is now", body = inline(super::super::openapi::ManagedUserDocument), content_type = "application/vnd.api+json")))]
pub(in crate::routes) async fn update(
    services: Data<Services>,
    acting: Acting,
    path: Path<String>,
    body: ApiBody<UpdateUserBody>,
) -> Result<HttpResponse, ApiError> {
    let id = id(&path)?;
    let at = body.pointers();
    let mut check = body.check();
    let UpdateUserBody { role, is_active, full_name, username, locale } = body.into_inner();
    let role = check.optional("role", role.as_deref().map(Role::parse), Code::INVALID_ROLE);
    let full_name = changed(&mut check, "fullName", full_name, Code::INVALID_FULL_NAME, FullName::try_new);
    let username = changed(&mut check, "username", username, Code::INVALID_USERNAME, Username::try_new);
    let locale = changed(&mut check, "locale", locale, Code::INVALID_LOCALE, Locale::try_new);
    let role = check.finish(role)?;
    let profile = UpdateProfileCommand {
        full_name: full_name.into_option(),
        username: username.into_option(),
        locale: locale.into_option(),
    };
    let command = UpdateUserCommand { role, active: is_active, profile };
    let result = services.manage_users.update(&acting.caller, id, command, &acting.context).await;
    let user = result.map_err(|error| pointed(error, at))?;
    Ok(Document::single(shown(&user)).ok())
}

/// Deletes an account and everything that is kept for it, but the audit log.
#[utoipa::path(delete, path = "/api/v1/admin/users/{id}", tag = "admin", security(("access" = [], "step_up" = [])),
    params(("id" = String, Path, description = "The account")),
    responses((status = 204, description = "Deleted")))]
pub(in crate::routes) async fn delete(
    services: Data<Services>,
    acting: Acting,
    path: Path<String>,
    _: NoBody,
) -> Result<HttpResponse, ApiError> {
    services.manage_users.delete(&acting.caller, id(&path)?, &acting.context).await.map_err(refused)?;
    Ok(no_content())
}

/// Ends every session of a person.
#[utoipa::path(delete, path = "/api/v1/admin/users/{id}/sessions", tag = "admin", security(("access" = [], "step_up" = [])),
    params(("id" = String, Path, description = "The account")),
    responses((status = 204, description = "Ended")))]
pub(in crate::routes) async fn end_sessions(
    services: Data<Services>,
    acting: Acting,
    path: Path<String>,
    _: NoBody,
) -> Result<HttpResponse, ApiError> {
    services.manage_sessions.end_all_of(&acting.caller, id(&path)?, &acting.context).await.map_err(refused)?;
    Ok(no_content())
}

dto! {
    /// A wish to act as somebody.
    pub struct ImpersonationBody: "impersonations" {
        /// Why: 5 to 200 characters on one line. The person and the audit log are told.
        #[schema(example = "ticket 4711: cannot see her invoices")]
        reason: String,
    }
}

/// Begins to act as somebody: one access token, for a quarter of an hour at most, bound to one's own client and session.
#[utoipa::path(post, path = "/api/v1/admin/users/{id}/impersonations", tag = "admin", request_body = ImpersonationBody, security(("access" = [], "step_up" = [])),
    params(("id" = String, Path, description = "The account")),
    responses((status = 201, description = "The token; there is no refresh token, and no cookie is set", body = inline(super::super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(in crate::routes) async fn impersonate(
    services: Data<Services>,
    limits: Data<RequestLimits>,
    acting: Acting,
    path: Path<String>,
    body: ApiBody<ImpersonationBody>,
) -> Result<HttpResponse, ApiError> {
    let id = id(&path)?;
    let mut check = body.check();
    let reason = check.field("reason", Reason::try_new(&body.reason), Code::INVALID_REASON);
    let reason = check.finish(reason)?;
    limits.count_for(acting.caller.claims.subject, &IMPERSONATION).await?;
    let tokens = services.impersonate.run(&acting.caller, id, &reason, &acting.context).await.map_err(refused)?;
    let attributes = tokens::attributes(&tokens, services.clock.now());
    let document = Document::single(resource("tokens", tokens.claims.token_id.as_str(), attributes));
    Ok(document.created())
}
