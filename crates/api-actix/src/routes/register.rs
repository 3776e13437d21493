//! `/auth/register`, `/auth/register/verify`, `/auth/login/otp`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use keystead_application::account::{
    RegisterUserCommand, RegisterUserError, ResendCodeError, VerifyRegistrationCommand, VerifyRegistrationError,
};
use keystead_domain::SecretString;
use keystead_domain::account::{EmailAddress, FullName, Username};
use keystead_domain::token::{OneTimeCode, PreAuthorizedPurpose};

use super::access::{context, pre_authorized};
use super::failure::account_limited;
use super::tokens;
use crate::dto;
use crate::http::{ApiBody, ApiError, Code, Pointers, ShownCredentials, password_problem};
use crate::services::Services;

dto! {
    /// A wish for an account.
    pub struct RegisterBody: "registrations" {
        /// Where the code is sent.
        email: String,
        /// A public name: 3 to 25 letters, digits, `.`, `_`, `-`.
        username: Option<String>,
        /// What to be called.
        full_name: Option<String>,
        /// 8 to 128 characters.
        #[schema(value_type = String, format = Password)]
        password: SecretString,
    }
}

/// Begins an account. Answers the same whether the address is taken or not.
#[utoipa::path(post, path = "/api/v1/auth/register", tag = "registration", request_body = RegisterBody,
    responses((status = 201, description = "A token for /auth/register/verify; a code was mailed", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn register(
    req: HttpRequest,
    services: Data<Services>,
    body: ApiBody<RegisterBody>,
) -> Result<HttpResponse, ApiError> {
    let shown = ShownCredentials::read(&req)?;
    let at = body.pointers();
    let command = register_command(body)?;
    let tokens =
        services.register.run(command, &context(&req, &shown)).await.map_err(|error| register_error(error, at))?;
    Ok(tokens::pre_authorized(&req, shown.kind, StatusCode::CREATED, &tokens, services.clock.now()))
}

fn register_command(body: ApiBody<RegisterBody>) -> Result<RegisterUserCommand, ApiError> {
    let mut check = body.check();
    let email = check.field("email", EmailAddress::try_new(&body.email), Code::INVALID_EMAIL);
    let username = check.optional("username", body.username.as_deref().map(Username::try_new), Code::INVALID_USERNAME);
    let full_name =
        check.optional("fullName", body.full_name.as_deref().map(FullName::try_new), Code::INVALID_FULL_NAME);
    let (email, username, full_name) = check.finish((email, username, full_name))?;
    Ok(RegisterUserCommand { email, username, full_name, password: body.into_inner().password })
}

fn register_error(error: RegisterUserError, at: Pointers) -> ApiError {
    match error {
        RegisterUserError::Closed => ApiError::new(Code::REGISTRATION_CLOSED),
        RegisterUserError::Password(refusal) => password_problem(refusal, at, "password").into(),
        RegisterUserError::UsernameTaken => ApiError::new(Code::USERNAME_TAKEN).pointer(at.to("username")),
        RegisterUserError::Failure(failure) => failure.into(),
    }
}

dto! {
    /// The proof of a registration.
    pub struct VerifyBody: "registrations" {
        /// The six digits that were mailed.
        code: String,
        /// Another public name, when the wanted one was taken meanwhile.
        username: Option<String>,
    }
}

/// Proves a registration and signs in.
#[utoipa::path(post, path = "/api/v1/auth/register/verify", tag = "registration", request_body = VerifyBody,
    security(("pre_authorized" = [])),
    responses((status = 200, description = "Signed in", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn verify(
    req: HttpRequest,
    services: Data<Services>,
    body: ApiBody<VerifyBody>,
) -> Result<HttpResponse, ApiError> {
    let (claims, context) = pre_authorized(&req, &[PreAuthorizedPurpose::Register])?;
    let at = body.pointers();
    let mut check = body.check();
    let code = check.parsed("code", OneTimeCode::parse(&body.code), Code::INVALID_CODE_FORMAT);
    let username = check.optional("username", body.username.as_deref().map(Username::try_new), Code::INVALID_USERNAME);
    let (code, username) = check.finish((code, username))?;
    let command = VerifyRegistrationCommand { claims, code, username };
    let tokens = services.verify_registration.run(command, &context).await.map_err(|error| verify_error(error, at))?;
    Ok(tokens::authorized(&req, context.client, &tokens, services.clock.now()))
}

fn verify_error(error: VerifyRegistrationError, at: Pointers) -> ApiError {
    match error {
        VerifyRegistrationError::CodeInvalid => ApiError::new(Code::CODE_INVALID),
        VerifyRegistrationError::UsernameTaken => ApiError::new(Code::USERNAME_TAKEN).pointer(at.to("username")),
        VerifyRegistrationError::Failure(failure) => failure.into(),
    }
}

dto! {
    /// A wish for another code.
    pub struct ResendBody: "codes" {
        /// Where to: `email`.
        method: String,
    }
}

/// Sends another code; the older token and its code die.
#[utoipa::path(post, path = "/api/v1/auth/login/otp", tag = "registration", request_body = ResendBody,
    security(("pre_authorized" = [])),
    responses((status = 202, description = "A new token; a code was mailed", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn resend(
    req: HttpRequest,
    services: Data<Services>,
    body: ApiBody<ResendBody>,
) -> Result<HttpResponse, ApiError> {
    let (claims, context) = pre_authorized(&req, &[PreAuthorizedPurpose::Register])?;
    let mut check = body.check();
    if body.method != "email" {
        check.refuse("method", Code::VALIDATION_FAILED, "codes are sent by 'email'".into());
    }
    check.finish(())?;
    let now = services.clock.now();
    let tokens = services.resend_code.run(&claims, &context).await.map_err(|error| match error {
        ResendCodeError::Dead => ApiError::new(Code::CODE_INVALID),
        ResendCodeError::Limited { resets_at } => account_limited(resets_at, now),
        ResendCodeError::Failure(failure) => failure.into(),
    })?;
    Ok(tokens::pre_authorized(&req, context.client, StatusCode::ACCEPTED, &tokens, now))
}
