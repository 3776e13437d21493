//! From what use-cases refuse to what the API answers.

use keystead_application::failure::Failure;
use keystead_application::revocation::AccessError;
use keystead_domain::Timestamp;

use crate::http::{ApiError, Code};

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unavailable(cause) => Self::unavailable(cause),
            Failure::Busy { retry_after } => Self::new(Code::OVERLOADED).retry_after(retry_after),
            Failure::Internal(cause) => Self::internal(cause),
        }
    }
}

impl From<AccessError> for ApiError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Invalid => Self::new(Code::TOKEN_INVALID),
            AccessError::Expired => Self::new(Code::TOKEN_EXPIRED),
            AccessError::Revoked => Self::new(Code::TOKEN_REVOKED),
            AccessError::FingerprintMismatch => Self::new(Code::FINGERPRINT_MISMATCH),
            AccessError::Unavailable => Self::unavailable("revocations cannot be checked"),
        }
    }
}

/// 429 of second factors that are blocked.
pub(super) fn otp_locked(until: Timestamp, now: Timestamp) -> ApiError {
    ApiError::new(Code::OTP_LOCKED).retry_after(until.since(now))
}

/// 429 of a budget that is kept per account.
pub(super) fn account_limited(again_at: Timestamp, now: Timestamp) -> ApiError {
    ApiError::new(Code::ACCOUNT_LIMITED).retry_after(again_at.since(now))
}
