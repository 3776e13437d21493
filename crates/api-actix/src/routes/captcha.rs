//! `/captcha/challenge`, and what the routes behind a captcha share.

use actix_web::HttpResponse;
use actix_web::web::Data;
use keystead_application::captcha::CaptchaRefusal;
use keystead_application::ports::CaptchaAction;
use keystead_application::random;
use serde::Serialize;

use crate::dto;
use crate::http::{ApiBody, ApiError, Code, Document, Pointers, Time, resource};
use crate::services::{CaptchaSource, Services};

/// The answer to a request without a captcha that counts.
pub(super) fn refused(refusal: CaptchaRefusal, at: Pointers) -> ApiError {
    match refusal {
        CaptchaRefusal::Required => ApiError::new(Code::CAPTCHA_REQUIRED).pointer(at.to("captcha")),
        CaptchaRefusal::Invalid => ApiError::new(Code::CAPTCHA_INVALID).pointer(at.to("captcha")),
        CaptchaRefusal::Unavailable(cause) => ApiError::unavailable(cause),
    }
}

dto! {
    /// What a captcha will be solved for.
    pub struct CaptchaBody: "captchaChallenges" {
        /// `register`, `forgot`, `srp-challenge` or `login`.
        action: String,
    }
}

/// Attributes of a `captchaChallenges` resource: work to be done, or a company's widget to be shown.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CaptchaChallengeAttributes<'a> {
    /// `proof-of-work`, `recaptcha`, `hcaptcha`, `turnstile`, or `siteverify` for any other company.
    provider: &'static str,
    /// Proof of work: what the solution begins with. A solution is this text, a full stop, and up to 64 more letters and
    /// digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge: Option<String>,
    /// Proof of work: how many zero bits the hash of the solution begins with.
    #[serde(skip_serializing_if = "Option::is_none")]
    difficulty: Option<u8>,
    /// Proof of work: the hash, `sha-256`.
    #[serde(skip_serializing_if = "Option::is_none")]
    algorithm: Option<&'static str>,
    /// Proof of work: when no solution is taken any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Time>,
    /// A company's: what its widget is made with. Its token is the solution.
    #[serde(skip_serializing_if = "Option::is_none")]
    site_key: Option<&'a str>,
}

/// Gives a captcha to be solved for one action. `409 CAPTCHA_NOT_USED` where none is asked for.
#[utoipa::path(post, path = "/api/v1/captcha/challenge", tag = "captcha", request_body = CaptchaBody,
    responses((status = 200, description = "A captcha", body = inline(super::openapi::CaptchaChallengeDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn challenge(services: Data<Services>, body: ApiBody<CaptchaBody>) -> Result<HttpResponse, ApiError> {
    let mut check = body.check();
    let action = check.parsed("action", CaptchaAction::parse(&body.action), Code::VALIDATION_FAILED);
    let action = check.finish(action)?;
    if !services.captcha.guards(action) {
        return Err(Code::CAPTCHA_NOT_USED.into());
    }
    let attributes = match &services.captchas {
        CaptchaSource::Off => return Err(Code::CAPTCHA_NOT_USED.into()),
        CaptchaSource::ProofOfWork(work) => {
            let challenge = work.challenge(action).await.map_err(ApiError::unavailable)?;
            CaptchaChallengeAttributes {
                provider: "proof-of-work",
                challenge: Some(challenge.text),
                difficulty: Some(challenge.difficulty),
                algorithm: Some("sha-256"),
                expires_at: Some(challenge.expires_at.into()),
                site_key: None,
            }
        }
        CaptchaSource::Site { provider, site_key } => CaptchaChallengeAttributes {
            provider,
            challenge: None,
            difficulty: None,
            algorithm: None,
            expires_at: None,
            site_key: Some(site_key),
        },
    };
    Ok(Document::single(resource("captchaChallenges", random::outbox_id(&*services.entropy).0, attributes)).ok())
}
