//! `/users/me`, `/users/me/export`.

use actix_web::HttpResponse;
use actix_web::web::Data;
use keystead_application::account::{DeactivateAccountError, ExportAccountError, ProfileError, UpdateProfileCommand};
use keystead_application::factor::ContactView;
use keystead_domain::account::{FullName, Locale, User, Username};
use keystead_domain::limits::PROFILE_CHANGE;
use serde::Serialize;

use super::RequestLimits;
use super::access::{Access, Acting};
use super::attendance::AttendanceAttributes;
use super::contacts::ContactAttributes;
use super::passkeys::PasskeyAttributes;
use super::sessions::{LoginAttributes, SessionAttributes};
use super::social::SocialIdentityAttributes;
use crate::dto;
use crate::http::{ApiBody, ApiError, Change, Check, Code, Document, NoBody, NoQuery, Time, no_content, resource};
use crate::services::Services;

/// A person's account, as they see it.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserAttributes {
    /// Verified address.
    email: Option<String>,
    /// Verified number.
    phone: Option<String>,
    /// Public name.
    username: Option<String>,
    /// What they want to be called.
    full_name: Option<String>,
    /// Language of their mails.
    locale: Option<String>,
    /// `user`, `admin` or `super-admin`.
    role: &'static str,
    /// Whether the account can be used.
    is_active: bool,
    /// When the account came to be.
    created_at: Time,
    /// When the account last changed.
    updated_at: Time,
}

impl UserAttributes {
    pub fn new(user: &User) -> Self {
        Self {
            email: user.email_address().map(ToString::to_string),
            phone: user.phone.as_ref().map(|contact| contact.address.to_string()),
            username: user.username.as_ref().map(ToString::to_string),
            full_name: user.full_name.as_ref().map(ToString::to_string),
            locale: user.locale.as_ref().map(ToString::to_string),
            role: user.role.as_str(),
            is_active: user.is_active(),
            created_at: user.created_at.into(),
            updated_at: user.updated_at.into(),
        }
    }
}

fn document(user: &User) -> HttpResponse {
    Document::single(resource("users", user.id.to_string(), UserAttributes::new(user))).ok()
}

fn profile_error(error: ProfileError) -> ApiError {
    match error {
        ProfileError::NotFound => ApiError::new(Code::TOKEN_REVOKED),
        ProfileError::UsernameTaken => ApiError::new(Code::USERNAME_TAKEN),
        ProfileError::Failure(failure) => failure.into(),
    }
}

/// One's own account.
#[utoipa::path(get, path = "/api/v1/users/me", tag = "account", security(("access" = [])),
    responses((status = 200, description = "The account", body = inline(super::openapi::UserDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn read(services: Data<Services>, access: Access, _: NoQuery) -> Result<HttpResponse, ApiError> {
    let user = services.read_profile.run(access.claims().subject).await.map_err(profile_error)?;
    Ok(document(&user))
}

dto! {
    /// A change of profile. Left out means keep, `null` means remove.
    pub struct ProfileBody: "users" {
        /// What to be called.
        #[schema(value_type = Option<String>)]
        full_name: Change<String>,
        /// A public name.
        #[schema(value_type = Option<String>)]
        username: Change<String>,
        /// Language of mails: `en`, `pt-BR`.
        #[schema(value_type = Option<String>)]
        locale: Change<String>,
    }
}

/// Changes one's profile.
#[utoipa::path(patch, path = "/api/v1/users/me", tag = "account", request_body = ProfileBody, security(("access" = [])),
    responses((status = 200, description = "The account as it is now", body = inline(super::openapi::UserDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn update(
    services: Data<Services>,
    limits: Data<RequestLimits>,
    access: Access,
    body: ApiBody<ProfileBody>,
) -> Result<HttpResponse, ApiError> {
    let at = body.pointers();
    let mut check = body.check();
    let ProfileBody { full_name, username, locale } = body.into_inner();
    let full_name = changed(&mut check, "fullName", full_name, Code::INVALID_FULL_NAME, FullName::try_new);
    let username = changed(&mut check, "username", username, Code::INVALID_USERNAME, Username::try_new);
    let locale = changed(&mut check, "locale", locale, Code::INVALID_LOCALE, Locale::try_new);
    check.finish(())?;
    limits.count_for(access.claims().subject, &PROFILE_CHANGE).await?;
    let command = UpdateProfileCommand {
        full_name: full_name.into_option(),
        username: username.into_option(),
        locale: locale.into_option(),
    };
    let result = services.update_profile.run(access.claims().subject, command, &access.context).await;
    let user = result.map_err(|error| match error {
        ProfileError::UsernameTaken => ApiError::new(Code::USERNAME_TAKEN).pointer(at.to("username")),
        other => profile_error(other),
    })?;
    Ok(document(&user))
}

/// A change of one attribute, read into its domain type.
pub(super) fn changed<T, E: std::fmt::Display>(
    check: &mut Check,
    name: &str,
    change: Change<String>,
    code: Code,
    read: fn(&str) -> Result<T, E>,
) -> Change<T> {
    match change {
        Change::Keep => Change::Keep,
        Change::Clear => Change::Clear,
        // A refused value is noted, so what stands in for it is never used.
        Change::Set(text) => check.field(name, read(&text), code).map_or(Change::Keep, Change::Set),
    }
}

/// Closes one's account. Every session ends.
#[utoipa::path(delete, path = "/api/v1/users/me", tag = "account", security(("access" = []), ("access" = [], "step_up" = [])),
    responses((status = 204, description = "Closed")))]
pub(super) async fn deactivate(services: Data<Services>, acting: Acting, _: NoBody) -> Result<HttpResponse, ApiError> {
    services.deactivate.run(&acting.caller, &acting.context).await.map_err(|error| match error {
        DeactivateAccountError::MfaRequired => ApiError::new(Code::MFA_REQUIRED),
        DeactivateAccountError::ReauthenticationRequired => ApiError::new(Code::REAUTH_REQUIRED),
        DeactivateAccountError::LastAdministrator => ApiError::new(Code::LAST_ADMINISTRATOR),
        DeactivateAccountError::NotFound => ApiError::new(Code::TOKEN_REVOKED),
        DeactivateAccountError::Failure(failure) => failure.into(),
    })?;
    Ok(no_content())
}

/// Everything kept about a person.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExportAttributes {
    account: UserAttributes,
    contacts: Vec<ContactAttributes>,
    passkeys: Vec<PasskeyAttributes>,
    /// Accounts elsewhere that open this one.
    social_identities: Vec<SocialIdentityAttributes>,
    /// Whether a TOTP secret is confirmed.
    totp: bool,
    /// How many recovery codes are left.
    recovery_codes: u32,
    sessions: Vec<SessionAttributes>,
    logins: Vec<LoginAttributes>,
    attendances: Vec<AttendanceAttributes>,
    events: Vec<EventAttributes>,
}

/// One security event about a person.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct EventAttributes {
    name: &'static str,
    at: Time,
    /// Whether an administrator did it in the person's name, or to the person.
    by_administrator: bool,
    detail: Option<String>,
    ip: Option<String>,
    user_agent: Option<String>,
}

/// A copy of everything kept about oneself, without secrets.
#[utoipa::path(get, path = "/api/v1/users/me/export", tag = "account", security(("access" = [])),
    responses((status = 200, description = "The copy", body = inline(super::openapi::ExportDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn export(services: Data<Services>, access: Access, _: NoQuery) -> Result<HttpResponse, ApiError> {
    let export = services.export.run(access.claims()).await.map_err(|error| match error {
        ExportAccountError::NotFound => ApiError::new(Code::TOKEN_REVOKED),
        ExportAccountError::Failure(failure) => failure.into(),
    })?;
    let current = access.claims().session();
    let attributes = ExportAttributes {
        account: UserAttributes::new(&export.user),
        contacts: export
            .user
            .contacts()
            .map(ContactView::from)
            .chain(export.pending_contacts.into_iter().map(ContactView::from))
            .map(|contact| ContactAttributes::new(&contact))
            .collect(),
        passkeys: export.passkeys.iter().map(|passkey| PasskeyAttributes::new(passkey, None)).collect(),
        social_identities: export.social.iter().map(SocialIdentityAttributes::new).collect(),
        totp: export.enrolled.totp,
        recovery_codes: export.enrolled.recovery_codes,
        sessions: export.sessions.iter().map(|session| SessionAttributes::new(session, &current)).collect(),
        logins: export.logins.iter().map(LoginAttributes::new).collect(),
        attendances: export.attendances.iter().map(AttendanceAttributes::new).collect(),
        events: export
            .events
            .iter()
            .map(|event| EventAttributes {
                name: event.name.as_str(),
                at: event.at.into(),
                by_administrator: event.impersonator.is_some()
                    || event.actor.is_some_and(|actor| actor != export.user.id),
                detail: event.detail.clone(),
                ip: event.device.ip.map(|ip| ip.to_string()),
                user_agent: event.device.user_agent.clone(),
            })
            .collect(),
    };
    Ok(Document::single(resource("accountExports", export.user.id.to_string(), attributes)).ok())
}
