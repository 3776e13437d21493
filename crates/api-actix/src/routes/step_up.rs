//! Proving a second factor within a session: `/auth/otp…`.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use keystead_application::service::StepUpToken;
use keystead_application::session::{Medium, StepUpError};
use keystead_domain::limits::CODE_LIFE;
use keystead_domain::token::StepUpMethod;
use keystead_domain::{SecretString, Timestamp};
use serde::Serialize;

use super::access::{Access, Acting};
use super::failure::{account_limited, otp_locked};
use super::second_factor::options_document;
use super::table::RouteSettings;
use crate::dto;
use crate::http::{
    ApiBody, ApiError, ApiQuery, BASIC_CHALLENGE, Code, Document, NoBody, OptionalBody, Params, Query, Time,
    otp_credentials, resource,
};
use crate::services::Services;

/// A code that was asked for.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OtpRequest {
    /// Where it comes from: `email`, `sms` or `authenticator`.
    media: &'static str,
    /// When a code that was sent lapses; `null` when none was.
    expires_at: Option<Time>,
}

/// A proof of a second factor.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OtpSession<'a> {
    /// To be sent as `OTP-Authorization: Bearer`.
    token: &'a str,
    /// When it lapses.
    expires_at: Time,
    /// How it was proved: `device`, `totp`, `email`, `phone` or `recovery`.
    method: &'static str,
}

fn document(proof: &StepUpToken) -> HttpResponse {
    let attributes = OtpSession {
        token: proof.token.expose(),
        expires_at: proof.claims.expires_at.into(),
        method: StepUpMethod::as_str(proof.claims.method),
    };
    Document::single(resource("otpSessions", proof.claims.token_id.as_str(), attributes)).ok()
}

fn refused(error: StepUpError, invalid: Code, now: Timestamp) -> ApiError {
    match error {
        StepUpError::NotAvailable => ApiError::new(Code::FACTOR_NOT_AVAILABLE),
        StepUpError::Invalid => ApiError::new(invalid),
        StepUpError::Used => ApiError::new(Code::OTP_USED),
        StepUpError::Limited { again_at } => account_limited(again_at, now),
        StepUpError::Blocked { until } => otp_locked(until, now),
        StepUpError::SessionOver => ApiError::new(Code::SESSION_ENDED),
        StepUpError::Failure(failure) => failure.into(),
    }
}

/// `media`.
#[derive(Debug)]
pub(super) struct MediaQuery(Medium);

impl Query for MediaQuery {
    fn read(params: &mut Params) -> Self {
        let medium = params.take("media").as_deref().and_then(Medium::parse);
        if medium.is_none() {
            params.refuse("media", "must be email, sms or authenticator");
        }
        Self(medium.unwrap_or(Medium::Email))
    }
}

/// Asks for a code. From now on only this medium's answers count in this session.
#[utoipa::path(post, path = "/api/v1/auth/otp", tag = "step-up", security(("access" = [])),
    params(("media" = String, Query, description = "`email`, `sms` or `authenticator`")),
    responses((status = 202, description = "Show the code with PUT", body = inline(super::openapi::OtpRequestDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn request(
    services: Data<Services>,
    access: Access,
    ApiQuery(MediaQuery(medium)): ApiQuery<MediaQuery>,
    _: NoBody,
) -> Result<HttpResponse, ApiError> {
    let now = services.clock.now();
    let result = services.step_up.request(access.claims(), medium, &access.context).await;
    result.map_err(|error| refused(error, Code::OTP_INVALID, services.clock.now()))?;
    let expires_at = (medium != Medium::Authenticator).then(|| now.plus(CODE_LIFE).into());
    let attributes = OtpRequest { media: medium.as_str(), expires_at };
    Ok(Document::single(resource("otpRequests", access.claims().session().as_str(), attributes)).accepted())
}

dto! {
    /// What a native client adds to a code. Browsers send none: their device token is in the cookie.
    pub struct StepUpBody: "otpSessions" {
        /// The device token of an earlier login.
        #[schema(value_type = Option<String>)]
        device_token: Option<SecretString>,
    }
}

/// Shows the code, as `OTP-Authorization: Basic base64(userId:code)` (RFC 7617).
#[utoipa::path(put, path = "/api/v1/auth/otp", tag = "step-up", request_body = Option<StepUpBody>,
    security(("access" = [])), params(("OTP-Authorization" = String, Header, description = "`Basic base64(userId:code)`")),
    responses((status = 200, description = "Proved", body = inline(super::openapi::OtpSessionDocument), content_type = "application/vnd.api+json"),
        (status = 410, description = "The code was used", body = inline(super::openapi::Errors), content_type = "application/vnd.api+json")))]
pub(super) async fn verify(
    req: HttpRequest,
    services: Data<Services>,
    acting: Acting,
    body: OptionalBody<StepUpBody>,
) -> Result<HttpResponse, ApiError> {
    let challenged = |error: ApiError| match error.code() {
        Code::OTP_INVALID => error.header(header::WWW_AUTHENTICATE, BASIC_CHALLENGE),
        _ => error,
    };
    let shown = otp_credentials(&req).map_err(challenged)?;
    let device = acting.caller.device.clone().or_else(|| body.0.and_then(|body| body.into_inner().device_token));
    let claims = &acting.caller.claims;
    let result =
        services.step_up.verify(claims, shown.user, shown.code.as_ref(), device.as_ref(), &acting.context).await;
    let now = services.clock.now();
    let proof = result.map_err(|error| challenged(refused(error, Code::OTP_INVALID, now)))?;
    Ok(document(&proof))
}

/// Begins a proof by passkey.
#[utoipa::path(post, path = "/api/v1/auth/otp/passkey/options", tag = "step-up", security(("access" = [])),
    responses((status = 200, description = "Options for navigator.credentials.get", body = inline(super::openapi::PasskeyOptionsDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn passkey_options(
    services: Data<Services>,
    settings: Data<RouteSettings>,
    access: Access,
    _: NoBody,
) -> Result<HttpResponse, ApiError> {
    settings.require_passkeys()?;
    let result = services.step_up.passkey_options(access.claims()).await;
    let options = result.map_err(|error| refused(error, Code::WEBAUTHN_INVALID, services.clock.now()))?;
    options_document(&options)
}

dto! {
    /// A passkey's answer within a session.
    pub struct StepUpAssertionBody: "assertions" {
        /// `AuthenticationResponseJSON` (WebAuthn Level 3).
        #[schema(value_type = Object)]
        assertion: serde_json::Value,
        /// Native clients: the device token of an earlier login.
        #[schema(value_type = Option<String>)]
        device_token: Option<SecretString>,
    }
}

/// Shows a passkey's signature.
#[utoipa::path(post, path = "/api/v1/auth/otp/passkey", tag = "step-up",
    request_body(content = StepUpAssertionBody, example = json!({"assertion": {"id": "bG9uZw", "rawId": "bG9uZw", "type": "public-key", "clientExtensionResults": {}, "response": {"clientDataJSON": "e30", "authenticatorData": "AA", "signature": "MAA", "userHandle": "AA"}}})),

    security(("access" = [])),
    responses((status = 200, description = "Proved", body = inline(super::openapi::OtpSessionDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn passkey(
    services: Data<Services>,
    acting: Acting,
    body: ApiBody<StepUpAssertionBody>,
) -> Result<HttpResponse, ApiError> {
    let StepUpAssertionBody { assertion, device_token } = body.into_inner();
    let device = acting.caller.device.clone().or(device_token);
    let claims = &acting.caller.claims;
    let answer = assertion.to_string();
    let result = services.step_up.verify_passkey(claims, &answer, device.as_ref(), &acting.context).await;
    let proof = result.map_err(|error| refused(error, Code::WEBAUTHN_INVALID, services.clock.now()))?;
    Ok(document(&proof))
}
