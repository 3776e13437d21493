//! `/captcha/challenge`, and what the routes behind a captcha share.

use keystead_application::captcha::CaptchaRefusal;

use crate::http::{ApiError, Code, Pointers};

/// The answer to a request without a captcha that counts.
pub(super) fn refused(refusal: CaptchaRefusal, at: Pointers) -> ApiError {
    match refusal {
        CaptchaRefusal::Required => ApiError::new(Code::CAPTCHA_REQUIRED).pointer(at.to("captcha")),
        CaptchaRefusal::Invalid => ApiError::new(Code::CAPTCHA_INVALID).pointer(at.to("captcha")),
        CaptchaRefusal::Unavailable(cause) => ApiError::unavailable(cause),
    }
}
