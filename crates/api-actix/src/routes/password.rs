//! `/auth/password…`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use keystead_application::account::{
    BeginResetError, ChangePasswordCommand, ChangePasswordError, ForgotPasswordError, ResetPasswordError,
};
use keystead_application::ports::CaptchaAction;
use keystead_domain::SecretString;
use keystead_domain::account::LoginName;

use super::access::{Acting, context, device, pre_authorized};
use super::captcha::refused;
use super::failure::account_limited;
use super::srp::{SrpCredentialBody, new_secret};
use super::tokens;
use crate::dto;
use crate::http::{ApiBody, ApiError, Code, ShownCredentials, accepted, no_content, password_problem};
use crate::services::Services;

dto! {
    /// Whose password was forgotten.
    pub struct ForgotBody: "passwordResets" {
        /// E-mail address, phone number or username.
        identity: String,
        /// A solved captcha (`POST /captcha/challenge`), where one is asked for.
        #[schema(value_type = Option<String>)]
        captcha: Option<SecretString>,
        /// Native clients: the device token of an earlier login; who signed in from there needs no captcha, and
        /// has a limit of their own.
        #[schema(value_type = Option<String>)]
        device_token: Option<SecretString>,
    }
}

/// Mails a link that leads to a new password, if there is such an account. Answers the same if there is none.
#[utoipa::path(post, path = "/api/v1/auth/password/forgot", tag = "password", request_body = ForgotBody,
    responses((status = 202, description = "If there is such an account, a link is on its way")))]
pub(super) async fn forgot(
    req: HttpRequest,
    services: Data<Services>,
    body: ApiBody<ForgotBody>,
) -> Result<HttpResponse, ApiError> {
    let shown = ShownCredentials::read(&req)?;
    let at = body.pointers();
    let ForgotBody { identity, captcha, device_token } = body.into_inner();
    let (action, device) = (CaptchaAction::Forgot, device(&shown).or(device_token));
    let context = context(&req, &shown);
    let known = services.captcha.knows(action, &LoginName::parse(&identity), device.as_ref()).await?;
    let solved = services.captcha.require(action, captcha.as_ref(), known, &context).await;
    solved.map_err(|refusal| refused(refusal, at))?;
    let result = services.forgot_password.run(&identity, device.as_ref(), &context).await;
    result.map_err(|error| match error {
        ForgotPasswordError::Limited { again_at } => account_limited(again_at, services.clock.now()),
        ForgotPasswordError::Failure(failure) => failure.into(),
    })?;
    Ok(accepted())
}

dto! {
    /// The token of a mailed link.
    pub struct BeginResetBody: "passwordResets" {
        /// The token, from the fragment of the link.
        #[schema(value_type = String)]
        token: SecretString,
    }
}

/// Uses a reset link up and gives a token for `/auth/password/reset`.
#[utoipa::path(post, path = "/api/v1/auth/password/reset/begin", tag = "password", request_body = BeginResetBody,
    responses((status = 200, description = "A token for /auth/password/reset", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn begin_reset(
    req: HttpRequest,
    services: Data<Services>,
    body: ApiBody<BeginResetBody>,
) -> Result<HttpResponse, ApiError> {
    let shown = ShownCredentials::read(&req)?;
    let result = services.begin_reset.run(body.token.expose(), &context(&req, &shown)).await;
    let tokens = result.map_err(|error| match error {
        BeginResetError::LinkInvalid => ApiError::new(Code::LINK_INVALID),
        BeginResetError::Failure(failure) => failure.into(),
    })?;
    Ok(tokens::pre_authorized(&req, shown.kind, StatusCode::OK, &tokens, services.clock.now()))
}

dto! {
    /// A new password.
    pub struct ResetBody: "passwordResets" {
        /// 8 to 128 characters. Either this or `srp`.
        #[schema(value_type = Option<String>, format = Password)]
        new_password: Option<SecretString>,
        /// A credential whose password never leaves the client.
        #[schema(inline)]
        srp: Option<SrpCredentialBody>,
    }
}

/// Replaces a forgotten password. Every session of the account ends.
#[utoipa::path(post, path = "/api/v1/auth/password/reset", tag = "password", request_body = ResetBody,
    security(("pre_authorized" = [])),
    responses((status = 204, description = "Replaced; sign in with it")))]
pub(super) async fn reset(
    req: HttpRequest,
    services: Data<Services>,
    body: ApiBody<ResetBody>,
) -> Result<HttpResponse, ApiError> {
    let (claims, context) = pre_authorized(&req)?;
    let at = body.pointers();
    let mut check = body.check();
    let ResetBody { new_password, srp } = body.into_inner();
    let secret = new_secret(&mut check, "newPassword", new_password, srp.as_ref());
    let secret = check.finish(secret)?;
    let result = services.reset_password.run(&claims, secret, &context).await;
    result.map_err(|error| match error {
        ResetPasswordError::LinkInvalid => ApiError::new(Code::LINK_INVALID),
        ResetPasswordError::MfaRequired => ApiError::new(Code::MFA_REQUIRED),
        ResetPasswordError::Password(refusal) => password_problem(refusal, at, "newPassword").into(),
        ResetPasswordError::Failure(failure) => failure.into(),
    })?;
    Ok(no_content())
}

dto! {
    /// A change of password.
    pub struct ChangeBody: "passwords" {
        /// The password until now. An account without one leaves it out.
        #[schema(value_type = Option<String>, format = Password)]
        current_password: Option<SecretString>,
        /// The password from now on: 8 to 128 characters. Either this or `srp`.
        #[schema(value_type = Option<String>, format = Password)]
        new_password: Option<SecretString>,
        /// A credential whose password never leaves the client, in the place of the password.
        #[schema(inline)]
        srp: Option<SrpCredentialBody>,
    }
}

/// Changes the password. Every other session ends; this one goes on with the token in the answer.
#[utoipa::path(patch, path = "/api/v1/auth/password", tag = "password", request_body = ChangeBody,
    security(("access" = []), ("access" = [], "step_up" = [])),
    responses((status = 200, description = "A fresh access token for this session", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn change(
    req: HttpRequest,
    services: Data<Services>,
    acting: Acting,
    body: ApiBody<ChangeBody>,
) -> Result<HttpResponse, ApiError> {
    let at = body.pointers();
    let mut check = body.check();
    let ChangeBody { current_password: current, new_password, srp } = body.into_inner();
    let new = new_secret(&mut check, "newPassword", new_password, srp.as_ref());
    let new = check.finish(new)?;
    let command = ChangePasswordCommand { caller: acting.caller, current, new };
    let result = services.change_password.run(command, &acting.context).await;
    let now = services.clock.now();
    let tokens = result.map_err(|error| match error {
        ChangePasswordError::WrongPassword => ApiError::new(Code::PASSWORD_WRONG).pointer(at.to("currentPassword")),
        ChangePasswordError::MfaRequired => ApiError::new(Code::MFA_REQUIRED),
        ChangePasswordError::ReauthRequired => ApiError::new(Code::REAUTH_REQUIRED),
        ChangePasswordError::Password(refusal) => password_problem(refusal, at, "newPassword").into(),
        ChangePasswordError::Limited { again_at } => account_limited(again_at, now),
        ChangePasswordError::SessionOver => ApiError::new(Code::SESSION_ENDED),
        ChangePasswordError::Failure(failure) => failure.into(),
    })?;
    Ok(tokens::authorized(&req, acting.context.client, &tokens, now))
}
