//! `/auth/register`, `/auth/register/verify`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use keystead_application::account::{
    RegisterUserCommand, RegisterUserError, VerifyRegistrationCommand, VerifyRegistrationError,
};
use keystead_application::ports::CaptchaAction;
use keystead_application::service::NewSecret;
use keystead_domain::SecretString;
use keystead_domain::account::{Address, EmailAddress, FullName, PhoneNumber, Username};
use keystead_domain::token::OneTimeCode;

use super::access::{context, pre_authorized};
use super::captcha::refused;
use super::table::RouteSettings;
use super::tokens;
use crate::dto;
use crate::http::{ApiBody, ApiError, Check, Code, Pointers, ShownCredentials, password_problem};
use crate::services::Services;

dto! {
    /// A wish for an account.
    pub struct RegisterBody: "registrations" {
        /// Where the code is sent. Either this or `phone`.
        #[schema(example = "ada@example.com")]
        email: Option<String>,
        /// Where the code is sent: with `+` and country code.
        phone: Option<String>,
        /// A public name: 3 to 25 letters, digits, `.`, `_`, `-`.
        username: Option<String>,
        /// What to be called.
        full_name: Option<String>,
        /// 8 to 128 characters. May be left out where `login.passwordless` is on.
        #[schema(value_type = Option<String>, format = Password)]
        password: Option<SecretString>,
        /// A solved captcha (`POST /captcha/challenge`), where one is asked for.
        #[schema(value_type = Option<String>)]
        captcha: Option<SecretString>,
    }
}

/// Begins an account. Answers the same whether the address is taken or not.
#[utoipa::path(post, path = "/api/v1/auth/register", tag = "registration", request_body = RegisterBody,
    responses((status = 201, description = "A token for /auth/register/verify; a code was sent", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn register(
    req: HttpRequest,
    services: Data<Services>,
    settings: Data<RouteSettings>,
    body: ApiBody<RegisterBody>,
) -> Result<HttpResponse, ApiError> {
    let shown = ShownCredentials::read(&req)?;
    let at = body.pointers();
    let (command, captcha) = register_command(body, settings.passwordless)?;
    let context = context(&req, &shown);
    // Nobody who registers is known, from whatever device.
    let solved = services.captcha.require(CaptchaAction::Register, captcha.as_ref(), false, &context).await;
    solved.map_err(|refusal| refused(refusal, at))?;
    let tokens = services.register.run(command, &context).await.map_err(|error| register_error(error, at))?;
    Ok(tokens::pre_authorized(&req, shown.kind, StatusCode::CREATED, &tokens, services.clock.now()))
}

/// The wish, and the captcha that was shown with it.
fn register_command(
    body: ApiBody<RegisterBody>,
    passwordless: bool,
) -> Result<(RegisterUserCommand, Option<SecretString>), ApiError> {
    let mut check = body.check();
    let wish = wish(&mut check, [&body.email, &body.phone, &body.username, &body.full_name]);
    // The use-case refuses it as well; here it is told together with everything else.
    if body.password.is_none() && !passwordless {
        check.refuse("password", Code::MISSING_ATTRIBUTE, "accounts without a password are not made here".into());
    }
    let wish = check.finish(wish)?;
    let RegisterBody { password, captcha, .. } = body.into_inner();
    Ok((wish.with(password.map(NewSecret::Password)), captcha))
}

/// Who somebody wants to be, however they will sign in.
pub(super) struct Wish {
    address: Address,
    username: Option<Username>,
    full_name: Option<FullName>,
}

impl Wish {
    /// The wish for an account that is opened by this.
    pub(super) fn with(self, secret: Option<NewSecret>) -> RegisterUserCommand {
        let Self { address, username, full_name } = self;
        RegisterUserCommand { address, username, full_name, secret }
    }
}

/// Reads `email`, `phone`, `username` and `fullName`.
pub(super) fn wish(check: &mut Check, [email, phone, username, full_name]: [&Option<String>; 4]) -> Option<Wish> {
    let address = match (email, phone) {
        (Some(email), None) => {
            check.field("email", EmailAddress::try_new(email), Code::INVALID_EMAIL).map(Address::Email)
        }
        (None, Some(phone)) => {
            check.field("phone", PhoneNumber::try_new(phone), Code::INVALID_PHONE).map(Address::Phone)
        }
        (None, None) => {
            check.refuse("email", Code::MISSING_ATTRIBUTE, "either 'email' or 'phone' is needed".into());
            None
        }
        (Some(_), Some(_)) => {
            check.refuse("phone", Code::VALIDATION_FAILED, "only one of 'email' and 'phone' is taken".into());
            None
        }
    };
    let username = check.optional("username", username.as_deref().map(Username::try_new), Code::INVALID_USERNAME);
    let full_name = check.optional("fullName", full_name.as_deref().map(FullName::try_new), Code::INVALID_FULL_NAME);
    Some(Wish { address: address?, username: username?, full_name: full_name? })
}

pub(super) fn register_error(error: RegisterUserError, at: Pointers) -> ApiError {
    match error {
        RegisterUserError::Closed => ApiError::new(Code::REGISTRATION_CLOSED),
        RegisterUserError::ContactNotAccepted(kind) => {
            ApiError::new(Code::CONTACT_NOT_ACCEPTED).pointer(at.to(kind.as_str()))
        }
        RegisterUserError::PasswordRequired => ApiError::new(Code::MISSING_ATTRIBUTE).pointer(at.to("password")),
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
    let (claims, context) = pre_authorized(&req)?;
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
