//! `/auth/login`, `/auth/reauth`, `/auth/activate`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use keystead_application::account::{ActivateAccountCommand, ActivateAccountError};
use keystead_application::session::{LoginCommand, LoginError, ReauthenticateError};
use keystead_domain::SecretString;

use super::access::{Access, context, device};
use super::failure::account_limited;
use super::srp::{SrpCredentialBody, SrpResponseBody, new_secret};
use super::tokens;
use crate::dto;
use crate::http::{ApiBody, ApiError, Code, ShownCredentials, password_problem};
use crate::services::Services;

dto! {
    /// Who wants to sign in.
    pub struct LoginBody: "logins" {
        /// E-mail address, phone number or username.
        identity: String,
        /// The password.
        #[schema(value_type = String, format = Password)]
        password: SecretString,
        /// Native clients: the device token of an earlier login.
        #[schema(value_type = Option<String>)]
        device_token: Option<SecretString>,
        /// A solved captcha (`POST /captcha/challenge`), once `CAPTCHA_REQUIRED` asked for it.
        #[schema(value_type = Option<String>)]
        captcha: Option<SecretString>,
    }
}

/// Signs in with a name and a password.
#[utoipa::path(post, path = "/api/v1/auth/login", tag = "session", request_body = LoginBody,
    responses((status = 200, description = "Signed in, or asked for a second factor (`state`)", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn login(
    req: HttpRequest,
    services: Data<Services>,
    body: ApiBody<LoginBody>,
) -> Result<HttpResponse, ApiError> {
    let shown = ShownCredentials::read(&req)?;
    let at = body.pointers();
    let LoginBody { identity, password, device_token, captcha } = body.into_inner();
    let device = device(&shown).or(device_token);
    let command = LoginCommand { identity, password, device, captcha };
    let result = services.login.run(command, &context(&req, &shown)).await;
    let now = services.clock.now();
    let admission = result.map_err(|error| match error {
        LoginError::InvalidCredentials => ApiError::new(Code::INVALID_CREDENTIALS),
        LoginError::AccountInactive => ApiError::new(Code::ACCOUNT_INACTIVE),
        LoginError::Limited { again_at } => account_limited(again_at, now),
        LoginError::Captcha(refusal) => super::captcha::refused(refusal, at),
        LoginError::Failure(failure) => failure.into(),
    })?;
    Ok(tokens::admitted(&req, shown.kind, &admission, now))
}

dto! {
    /// A fresh proof of who somebody is.
    pub struct ReauthBody: "reauthentications" {
        /// The password.
        #[schema(value_type = Option<String>, format = Password)]
        password: Option<SecretString>,
        /// Or an answer to a challenge of `/auth/srp/challenge`.
        #[schema(inline)]
        srp: Option<SrpResponseBody>,
        /// Or a passkey's answer to `/auth/otp/passkey/options`: `AuthenticationResponseJSON`.
        #[schema(value_type = Option<Object>)]
        assertion: Option<serde_json::Value>,
    }
}

/// Proves again who is signed in; the session goes on with a new `auth_time`.
#[utoipa::path(post, path = "/api/v1/auth/reauth", tag = "session", request_body = ReauthBody,
    security(("access" = [])),
    responses((status = 200, description = "A fresh access token", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn reauth(
    req: HttpRequest,
    services: Data<Services>,
    access: Access,
    body: ApiBody<ReauthBody>,
) -> Result<HttpResponse, ApiError> {
    let at = body.pointers();
    let mut check = body.check();
    let ReauthBody { password, srp, assertion } = body.into_inner();
    if [password.is_some(), srp.is_some(), assertion.is_some()].into_iter().filter(|shown| *shown).count() != 1 {
        let detail = "exactly one of 'password', 'srp' and 'assertion' is needed";
        check.refuse("password", Code::VALIDATION_FAILED, detail.into());
    }
    let srp = match srp {
        None => Some(None),
        Some(answer) => answer.check(&mut check, "srp/").map(Some),
    };
    let srp = check.finish(srp)?;
    let (claims, context) = (access.claims(), &access.context);
    let mut proof = None;
    let (result, shown) = match (password, srp) {
        (Some(password), _) => (services.reauthenticate.run(claims, &password, context).await, "password"),
        (None, Some(answer)) => {
            let result = services.reauthenticate.with_srp(claims, &answer, context).await;
            let kept = result.map(|(tokens, server_proof)| {
                proof = Some(server_proof);
                tokens
            });
            (kept, "srp")
        }
        (None, None) => {
            let answer = assertion.as_ref().map(ToString::to_string).unwrap_or_default();
            (services.reauthenticate.with_passkey(claims, &answer, context).await, "assertion")
        }
    };
    let now = services.clock.now();
    let tokens = result.map_err(|error| match error {
        ReauthenticateError::WrongPassword => match shown {
            "srp" => ApiError::new(Code::SRP_INVALID),
            _ => ApiError::new(Code::PASSWORD_WRONG).pointer(at.to("password")),
        },
        ReauthenticateError::PasskeyInvalid => ApiError::new(Code::WEBAUTHN_INVALID),
        ReauthenticateError::Limited { again_at } => account_limited(again_at, now),
        ReauthenticateError::SessionOver => ApiError::new(Code::SESSION_ENDED),
        ReauthenticateError::Failure(failure) => failure.into(),
    })?;
    Ok(tokens::proved(&req, access.context.client, &tokens, proof, now))
}

dto! {
    /// The first password of an account that an operator made.
    pub struct ActivateBody: "activations" {
        /// The token of the mailed link.
        #[schema(value_type = String)]
        token: SecretString,
        /// 8 to 128 characters. Either this or `srp`.
        #[schema(value_type = Option<String>, format = Password)]
        password: Option<SecretString>,
        /// A credential whose password never leaves the client.
        #[schema(inline)]
        srp: Option<SrpCredentialBody>,
    }
}

/// Sets the first password of an account and signs its owner in.
#[utoipa::path(post, path = "/api/v1/auth/activate", tag = "registration", request_body = ActivateBody,
    responses((status = 200, description = "Signed in", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn activate(
    req: HttpRequest,
    services: Data<Services>,
    body: ApiBody<ActivateBody>,
) -> Result<HttpResponse, ApiError> {
    let shown = ShownCredentials::read(&req)?;
    let at = body.pointers();
    let mut check = body.check();
    let ActivateBody { token, password, srp } = body.into_inner();
    let secret = new_secret(&mut check, "password", password, srp.as_ref());
    let command = ActivateAccountCommand { token, secret: check.finish(secret)? };
    let tokens = services.activate.run(command, &context(&req, &shown)).await.map_err(|error| match error {
        ActivateAccountError::LinkInvalid => ApiError::new(Code::LINK_INVALID),
        ActivateAccountError::Password(refusal) => password_problem(refusal, at, "password").into(),
        ActivateAccountError::Failure(failure) => failure.into(),
    })?;
    Ok(tokens::authorized(&req, shown.kind, &tokens, services.clock.now()))
}
