//! The question for a second factor, and signing in without a password: `/auth/login/code`, `/auth/login/otp`,
//! `/auth/login/passkey…`, `/auth/passwordless…`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use keystead_application::account::ResendCodeError;
use keystead_application::session::{FactorAnswer, SecondFactorError, SendFactorCodeError, StartPasswordlessError};
use keystead_domain::factor::RecoveryCode;
use keystead_domain::token::{Factor, OneTimeCode, PreAuthorizedPurpose, StepUpMethod};
use keystead_domain::{SecretString, Timestamp};
use serde::Serialize;

use super::access::{context, device, pre_authorized};
use super::failure::{account_limited, otp_locked};
use super::table::RouteSettings;
use super::tokens;
use crate::dto;
use crate::http::{ApiBody, ApiError, Code, Document, NoBody, ShownCredentials, resource};
use crate::services::Services;

fn refused(error: SecondFactorError, invalid: Code, now: Timestamp) -> ApiError {
    match error {
        SecondFactorError::Invalid => ApiError::new(invalid),
        SecondFactorError::NotOffered => ApiError::new(Code::FACTOR_NOT_OFFERED),
        SecondFactorError::Blocked { until } => otp_locked(until, now),
        SecondFactorError::Over => ApiError::new(Code::TOKEN_REVOKED),
        SecondFactorError::Failure(failure) => failure.into(),
    }
}

dto! {
    /// The answer to a question for a second factor.
    pub struct FactorCodeBody: "codes" {
        /// `totp`, `email`, `phone` or `recovery`.
        #[schema(example = "totp")]
        method: String,
        /// Six digits, or a recovery code.
        #[schema(example = "000123")]
        code: String,
        /// Native clients: the device token of an earlier login.
        #[schema(value_type = Option<String>)]
        device_token: Option<SecretString>,
    }
}

/// The answer, in the one form each has. Nothing else is compared with anything, so it counts as no try.
fn read_answer(body: &ApiBody<FactorCodeBody>) -> Result<FactorAnswer, ApiError> {
    let mut check = body.check();
    let answer = if body.method == StepUpMethod::Recovery.as_str() {
        let code = check.parsed("code", RecoveryCode::parse(&body.code), Code::INVALID_CODE_FORMAT);
        code.map(FactorAnswer::Recovery)
    } else {
        let factor = Factor::parse(&body.method).filter(|factor| *factor != Factor::Device);
        let factor = check.parsed("method", factor, Code::VALIDATION_FAILED);
        let code = check.parsed("code", OneTimeCode::parse(&body.code), Code::INVALID_CODE_FORMAT);
        factor.zip(code).map(|(factor, code)| FactorAnswer::Code(factor, code))
    };
    check.finish(answer)
}

/// Answers with a code. At a login the person is signed in; at a reset the way to the new password is free.
#[utoipa::path(post, path = "/api/v1/auth/login/code", tag = "session", request_body = FactorCodeBody,
    security(("pre_authorized" = [])),
    responses((status = 200, description = "Signed in, or on with the reset", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn code(
    req: HttpRequest,
    services: Data<Services>,
    body: ApiBody<FactorCodeBody>,
) -> Result<HttpResponse, ApiError> {
    let (claims, context) = pre_authorized(&req)?;
    let known = device(&ShownCredentials::read(&req)?).or_else(|| body.device_token.clone());
    let answer = read_answer(&body)?;
    let result = services.second_factor.run(&claims, &answer, known, &context).await;
    let now = services.clock.now();
    let admission = result.map_err(|error| refused(error, Code::OTP_INVALID, now))?;
    Ok(tokens::admitted(&req, context.client, &admission, now))
}

dto! {
    /// A wish for a code, or for another one.
    pub struct SendCodeBody: "codes" {
        /// Where to: `email` or `phone`.
        #[schema(example = "email")]
        method: String,
    }
}

/// Sends a code; the older token and its code die. For registrations, logins and resets.
#[utoipa::path(post, path = "/api/v1/auth/login/otp", tag = "session", request_body = SendCodeBody,
    security(("pre_authorized" = [])),
    responses((status = 202, description = "A new token; a code was sent", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn send(
    req: HttpRequest,
    services: Data<Services>,
    body: ApiBody<SendCodeBody>,
) -> Result<HttpResponse, ApiError> {
    use PreAuthorizedPurpose::Register;
    let (claims, context) = pre_authorized(&req)?;
    let mut check = body.check();
    let factor = Factor::parse(&body.method).filter(|factor| matches!(factor, Factor::Email | Factor::Phone));
    if factor.is_none() {
        check.refuse("method", Code::VALIDATION_FAILED, "codes are sent by 'email' or 'phone'".into());
    }
    let factor = check.finish(factor)?;
    let now = services.clock.now();
    let tokens = if claims.purpose == Register {
        services.resend_code.run(&claims, &context).await.map_err(|error| match error {
            ResendCodeError::Dead => ApiError::new(Code::CODE_INVALID),
            ResendCodeError::Limited { again_at } => account_limited(again_at, now),
            ResendCodeError::Failure(failure) => failure.into(),
        })?
    } else {
        services.send_factor_code.run(&claims, factor, &context).await.map_err(|error| match error {
            SendFactorCodeError::NotOffered => ApiError::new(Code::FACTOR_NOT_OFFERED),
            SendFactorCodeError::Over => ApiError::new(Code::TOKEN_REVOKED),
            SendFactorCodeError::Limited { again_at } => account_limited(again_at, now),
            SendFactorCodeError::Failure(failure) => failure.into(),
        })?
    };
    Ok(tokens::pre_authorized(&req, context.client, StatusCode::ACCEPTED, &tokens, now))
}

/// What a browser's WebAuthn functions take.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PasskeyOptions {
    /// `PublicKeyCredentialRequestOptionsJSON` or `PublicKeyCredentialCreationOptionsJSON` (WebAuthn Level 3).
    #[schema(value_type = Object)]
    public_key: serde_json::Value,
}

/// The document of options.
pub(super) fn options_document(options: &str) -> Result<HttpResponse, ApiError> {
    let public_key: serde_json::Value = serde_json::from_str(options).map_err(ApiError::internal)?;
    let challenge = public_key.get("challenge").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    Ok(Document::single(resource("passkeyOptions", challenge, PasskeyOptions { public_key })).ok())
}

/// Begins signing in with a passkey: as the second factor of a flow, or without a name and a token.
#[utoipa::path(post, path = "/api/v1/auth/login/passkey/options", tag = "session",
    security((), ("pre_authorized" = [])),
    responses((status = 200, description = "Options for navigator.credentials.get", body = inline(super::openapi::PasskeyOptionsDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn passkey_options(
    req: HttpRequest,
    services: Data<Services>,
    settings: Data<RouteSettings>,
    _: NoBody,
) -> Result<HttpResponse, ApiError> {
    settings.require_passkeys()?;
    let claims = match ShownCredentials::read(&req)?.bearer {
        Some(_) => Some(pre_authorized(&req)?.0),
        None => None,
    };
    let result = services.passkey_login.options(claims.as_ref()).await;
    let options = result.map_err(|error| refused(error, Code::WEBAUTHN_INVALID, services.clock.now()))?;
    options_document(&options)
}

dto! {
    /// A passkey's answer.
    pub struct AssertionBody: "assertions" {
        /// `AuthenticationResponseJSON` (WebAuthn Level 3).
        #[schema(value_type = Object)]
        assertion: serde_json::Value,
        /// Native clients: the device token of an earlier login.
        #[schema(value_type = Option<String>)]
        device_token: Option<SecretString>,
    }
}

/// Signs in with a passkey.
#[utoipa::path(post, path = "/api/v1/auth/login/passkey", tag = "session",
    request_body(content = AssertionBody, example = json!({"assertion": {"id": "bG9uZw", "rawId": "bG9uZw", "type": "public-key", "clientExtensionResults": {}, "response": {"clientDataJSON": "e30", "authenticatorData": "AA", "signature": "MAA", "userHandle": "AA"}}})),

    security((), ("pre_authorized" = [])),
    responses((status = 200, description = "Signed in, or on with the reset", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn passkey(
    req: HttpRequest,
    services: Data<Services>,
    body: ApiBody<AssertionBody>,
) -> Result<HttpResponse, ApiError> {
    let shown = ShownCredentials::read(&req)?;
    let AssertionBody { assertion, device_token } = body.into_inner();
    let (known, answer) = (device(&shown).or(device_token), assertion.to_string());
    let result = if shown.bearer.is_some() {
        let (claims, context) = pre_authorized(&req)?;
        services.passkey_login.as_second_factor(&claims, &answer, known, &context).await
    } else {
        services.passkey_login.alone(&answer, known, &context(&req, &shown)).await
    };
    let now = services.clock.now();
    let admission = result.map_err(|error| match error {
        SecondFactorError::Over if shown.bearer.is_none() => ApiError::new(Code::ACCOUNT_INACTIVE),
        other => refused(other, Code::WEBAUTHN_INVALID, now),
    })?;
    Ok(tokens::admitted(&req, shown.kind, &admission, now))
}

dto! {
    /// Who wants to sign in without a password.
    pub struct PasswordlessBody: "logins" {
        /// E-mail address, phone number or username.
        #[schema(example = "ada@example.com")]
        identity: String,
        /// Native clients: the device token of an earlier login; who signed in from there has a limit of their own.
        #[schema(value_type = Option<String>)]
        device_token: Option<SecretString>,
    }
}

/// Sends a code that signs in, if there is such an account. Answers the same if there is none.
#[utoipa::path(post, path = "/api/v1/auth/passwordless", tag = "session", request_body = PasswordlessBody,
    responses((status = 202, description = "A token for /auth/passwordless/verify; a code is on its way if there is such an account", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn passwordless(
    req: HttpRequest,
    services: Data<Services>,
    body: ApiBody<PasswordlessBody>,
) -> Result<HttpResponse, ApiError> {
    let shown = ShownCredentials::read(&req)?;
    let PasswordlessBody { identity, device_token } = body.into_inner();
    let known = device(&shown).or(device_token);
    let result = services.passwordless.start(&identity, known.as_ref(), &context(&req, &shown)).await;
    let now = services.clock.now();
    let tokens = result.map_err(|error| match error {
        StartPasswordlessError::TurnedOff => ApiError::new(Code::PASSWORDLESS_DISABLED),
        StartPasswordlessError::Limited { again_at } => account_limited(again_at, now),
        StartPasswordlessError::Failure(failure) => failure.into(),
    })?;
    Ok(tokens::pre_authorized(&req, shown.kind, StatusCode::ACCEPTED, &tokens, now))
}

dto! {
    /// The code of a login without a password.
    pub struct PasswordlessCodeBody: "codes" {
        /// The six digits that were sent, typed or from the fragment of the mailed link.
        #[schema(example = "000123")]
        code: String,
        /// Native clients: the device token of an earlier login.
        #[schema(value_type = Option<String>)]
        device_token: Option<SecretString>,
    }
}

/// Signs in with the code, or asks for the second factor.
#[utoipa::path(post, path = "/api/v1/auth/passwordless/verify", tag = "session", request_body = PasswordlessCodeBody,
    security(("pre_authorized" = [])),
    responses((status = 200, description = "Signed in, or asked for a second factor (`state`)", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn passwordless_verify(
    req: HttpRequest,
    services: Data<Services>,
    body: ApiBody<PasswordlessCodeBody>,
) -> Result<HttpResponse, ApiError> {
    let (claims, context) = pre_authorized(&req)?;
    let known = device(&ShownCredentials::read(&req)?).or_else(|| body.device_token.clone());
    let mut check = body.check();
    let code = check.parsed("code", OneTimeCode::parse(&body.code), Code::INVALID_CODE_FORMAT);
    let code = check.finish(code)?;
    let result = services.passwordless.verify(&claims, &code, known, &context).await;
    let now = services.clock.now();
    let admission = result.map_err(|error| refused(error, Code::OTP_INVALID, now))?;
    Ok(tokens::admitted(&req, context.client, &admission, now))
}

#[cfg(test)]
mod tests {
    use actix_web::FromRequest as _;
    use actix_web::test::TestRequest;

    use super::*;
    use crate::http::Problem;

    async fn read(attributes: &str) -> Result<FactorAnswer, Vec<Code>> {
        let request = TestRequest::post().insert_header(("content-type", "application/json"));
        let request = request.insert_header(("content-length", attributes.len()));
        let (req, mut payload) = request.set_payload(attributes.to_owned()).to_http_parts();
        let body = ApiBody::from_request(&req, &mut payload).await;
        body.and_then(|body| read_answer(&body)).map_err(|error| error.problems().iter().map(Problem::code).collect())
    }

    fn totp(code: &str) -> String {
        format!(r#"{{"method":"totp","code":{code}}}"#)
    }

    #[actix_web::test]
    async fn o07_a_code_has_one_form() {
        let right = FactorAnswer::Code(Factor::Totp, OneTimeCode::parse("000123").unwrap());
        assert_eq!(read(&totp(r#""000123""#)).await, Ok(right));
        for code in [r#""123""#, r#"" 000123""#, r#""000123 ""#, r#""+00123""#, r#""1.23e2""#, r#""0000123""#, r#""""#]
        {
            assert_eq!(read(&totp(code)).await, Err(vec![Code::INVALID_CODE_FORMAT]), "{code}");
        }
        for code in ["123", "1.23e2", "123456", r#"["000123"]"#, r#"{"code":"000123"}"#, "null", "true"] {
            assert_eq!(read(&totp(code)).await, Err(vec![Code::WRONG_TYPE]), "{code}");
        }
        assert_eq!(read(&totp("000123")).await, Err(vec![Code::BAD_JSON]), "JSON has no such number");
    }

    #[actix_web::test]
    async fn o08_other_digits_are_none() {
        for code in ["\u{ff10}\u{ff10}\u{ff10}\u{ff11}\u{ff12}\u{ff13}", "\u{661}23456", "\u{b2}23456", "O00123"] {
            let refused = read(&totp(&format!("\"{code}\""))).await;
            assert_eq!(refused, Err(vec![Code::INVALID_CODE_FORMAT]), "{code}");
        }
        let hidden = read(&totp("\"000\u{200b}123\"")).await;
        assert_eq!(hidden, Err(vec![Code::INVALID_CODE_FORMAT]));
        let huge = totp(&format!("\"{}\"", "0".repeat(1_000_000)));
        assert_eq!(read(&huge).await, Err(vec![Code::PAYLOAD_TOO_LARGE]));
    }

    #[actix_web::test]
    async fn methods_are_told_apart_and_every_problem_is_told() {
        for (method, factor) in [("email", Factor::Email), ("phone", Factor::Phone), ("totp", Factor::Totp)] {
            let answer = read(&format!(r#"{{"method":"{method}","code":"000123"}}"#)).await;
            assert_eq!(answer, Ok(FactorAnswer::Code(factor, OneTimeCode::parse("000123").unwrap())));
        }
        let recovery = RecoveryCode::from_random([7; 16]);
        let shown = format!(r#"{{"method":"recovery","code":"{}"}}"#, recovery.shown().expose());
        assert_eq!(read(&shown).await, Ok(FactorAnswer::Recovery(recovery)));
        for method in ["device", "Totp", "sms", ""] {
            let refused = read(&format!(r#"{{"method":"{method}","code":"12"}}"#)).await;
            assert_eq!(refused, Err(vec![Code::VALIDATION_FAILED, Code::INVALID_CODE_FORMAT]), "{method:?}");
        }
        let mixed = read(r#"{"method":"recovery","code":"000123"}"#).await;
        assert_eq!(mixed, Err(vec![Code::INVALID_CODE_FORMAT]));
    }
}
