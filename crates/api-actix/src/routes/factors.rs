//! `/totp…`, `/recovery-codes`, and what changes of factors are refused with.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use keystead_application::factor::FactorError;
use keystead_application::service::{AuthorizedTokens, Caller};
use keystead_domain::token::{ClientKind, OneTimeCode};
use keystead_domain::{SecretString, Timestamp};
use serde::Serialize;

use super::access::Acting;
use super::failure::{account_limited, otp_locked};
use super::tokens;
use crate::dto;
use crate::http::{ApiBody, ApiError, Code, Document, NoBody, resource};
use crate::services::Services;

/// What a change of a factor or contact is refused with.
pub(super) fn refused(error: FactorError, now: Timestamp) -> ApiError {
    match error {
        FactorError::MfaRequired => ApiError::new(Code::MFA_REQUIRED),
        FactorError::ReauthRequired => ApiError::new(Code::REAUTH_REQUIRED),
        FactorError::SessionOver => ApiError::new(Code::SESSION_ENDED),
        FactorError::NotFound => ApiError::new(Code::NOT_FOUND),
        FactorError::CodeInvalid => ApiError::new(Code::OTP_INVALID),
        FactorError::PasskeyInvalid => ApiError::new(Code::ATTESTATION_INVALID),
        FactorError::PasskeyExists => ApiError::new(Code::PASSKEY_EXISTS),
        FactorError::TooMany { most } => ApiError::new(Code::TOO_MANY_PASSKEYS).meta("most", most),
        FactorError::LastFactor => ApiError::new(Code::LAST_FACTOR),
        FactorError::LastContact => ApiError::new(Code::LAST_CONTACT),
        FactorError::Unavailable(_) => ApiError::new(Code::CONTACT_NOT_ACCEPTED),
        FactorError::Limited { again_at } => account_limited(again_at, now),
        FactorError::Blocked { until } => otp_locked(until, now),
        FactorError::Failure(failure) => failure.into(),
    }
}

/// The fresh tokens that a session goes on with after a change, or its refusal.
pub(super) fn went_on(
    req: &HttpRequest,
    services: &Services,
    client: ClientKind,
    result: Result<AuthorizedTokens, FactorError>,
) -> Result<HttpResponse, ApiError> {
    let now = services.clock.now();
    let tokens = result.map_err(|error| refused(error, now))?;
    Ok(tokens::authorized(req, client, &tokens, now))
}

/// A secret for an authenticator program. It is shown this once.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TotpSecret<'a> {
    /// `otpauth://totp/…`.
    uri: &'a str,
    /// The secret in base 32, to be typed in.
    secret: &'a str,
    /// The URI as a QR code, an SVG document.
    qr_svg: &'a str,
}

/// Makes a TOTP secret. It counts once a code of it was shown; until then an older one does.
#[utoipa::path(post, path = "/api/v1/totp", tag = "factors", security(("access" = []), ("access" = [], "step_up" = [])),
    responses((status = 200, description = "The secret, shown once", body = inline(super::openapi::TotpSecretDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn begin_totp(services: Data<Services>, acting: Acting, _: NoBody) -> Result<HttpResponse, ApiError> {
    let result = services.totp.begin(&acting.caller).await;
    let enrolment = result.map_err(|error| refused(error, services.clock.now()))?;
    let attributes = TotpSecret {
        uri: enrolment.uri.expose(),
        secret: enrolment.secret.expose(),
        qr_svg: enrolment.qr_svg.expose(),
    };
    let id = acting.caller.claims.subject.to_string();
    Ok(Document::single(resource("totpSecrets", id, attributes)).ok())
}

dto! {
    /// A code of an authenticator program.
    pub struct TotpCodeBody: "codes" {
        /// Six digits.
        #[schema(example = "000123")]
        code: String,
        /// Native clients: the device token of an earlier login.
        #[schema(value_type = Option<String>)]
        device_token: Option<SecretString>,
    }
}

fn code(body: &ApiBody<TotpCodeBody>) -> Result<OneTimeCode, ApiError> {
    let mut check = body.check();
    let code = check.parsed("code", OneTimeCode::parse(&body.code), Code::INVALID_CODE_FORMAT);
    check.finish(code)
}

/// Who asks, at the device that a native client says it is. A browser's is in its cookie.
pub(super) fn at_device(caller: Caller, device_token: Option<&SecretString>) -> Caller {
    Caller { device: caller.device.or_else(|| device_token.cloned()), ..caller }
}

/// Confirms the secret with a code of it.
#[utoipa::path(post, path = "/api/v1/totp/confirm", tag = "factors", request_body = TotpCodeBody, security(("access" = []), ("access" = [], "step_up" = [])),
    responses((status = 200, description = "Confirmed; fresh tokens for this session", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn confirm_totp(
    req: HttpRequest,
    services: Data<Services>,
    acting: Acting,
    body: ApiBody<TotpCodeBody>,
) -> Result<HttpResponse, ApiError> {
    let code = code(&body)?;
    let caller = at_device(acting.caller, body.device_token.as_ref());
    let result = services.totp.confirm(&caller, &code, &acting.context).await;
    went_on(&req, &services, acting.context.client, result)
}

/// Removes the secret, given a code of it. Every other session ends.
#[utoipa::path(delete, path = "/api/v1/totp", tag = "factors", request_body = TotpCodeBody, security(("access" = []), ("access" = [], "step_up" = [])),
    responses((status = 200, description = "Removed; fresh tokens for this session", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn remove_totp(
    req: HttpRequest,
    services: Data<Services>,
    acting: Acting,
    body: ApiBody<TotpCodeBody>,
) -> Result<HttpResponse, ApiError> {
    let code = code(&body)?;
    let caller = at_device(acting.caller, body.device_token.as_ref());
    let result = services.totp.remove(&caller, &code, &acting.context).await;
    went_on(&req, &services, acting.context.client, result)
}

/// Recovery codes. They are shown this once.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RecoveryCodes<'a> {
    /// Ten codes; each signs in once.
    codes: Vec<&'a str>,
}

/// Makes ten recovery codes; older ones are void.
#[utoipa::path(post, path = "/api/v1/recovery-codes", tag = "factors", security(("access" = [], "step_up" = [])),
    responses((status = 201, description = "The codes, shown once", body = inline(super::openapi::RecoveryCodesDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn recovery_codes(
    services: Data<Services>,
    acting: Acting,
    _: NoBody,
) -> Result<HttpResponse, ApiError> {
    let result = services.recovery_codes.run(&acting.caller, &acting.context).await;
    let codes = result.map_err(|error| refused(error, services.clock.now()))?;
    let attributes = RecoveryCodes { codes: codes.iter().map(SecretString::expose).collect() };
    let id = acting.caller.claims.subject.to_string();
    Ok(Document::single(resource("recoveryCodes", id, attributes)).created())
}
