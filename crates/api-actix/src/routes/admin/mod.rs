//! `/admin/…`: other people's accounts, sessions, and what happened.

pub(super) mod attendances;
pub(super) mod audit;
pub(super) mod outbox;
pub(super) mod sessions;
pub(super) mod users;

use keystead_application::admin::AdminError;

use crate::http::{ApiError, Code};

/// What an administrator's wish can be refused with.
fn refused(error: AdminError) -> ApiError {
    let code = match error {
        AdminError::NotFound => Code::NOT_FOUND,
        AdminError::Forbidden => Code::FORBIDDEN,
        AdminError::ImpersonationForbidden => Code::IMPERSONATION_FORBIDDEN,
        AdminError::MfaRequired => Code::MFA_REQUIRED,
        AdminError::OwnAccount => Code::OWN_ACCOUNT,
        AdminError::LastAdministrator => Code::LAST_ADMINISTRATOR,
        AdminError::EmailTaken => Code::EMAIL_TAKEN,
        AdminError::PhoneTaken => Code::PHONE_TAKEN,
        AdminError::UsernameTaken => Code::USERNAME_TAKEN,
        AdminError::ContactNotAccepted => Code::CONTACT_NOT_ACCEPTED,
        AdminError::MessageDead => Code::MESSAGE_DEAD,
        AdminError::SessionOver => Code::TOKEN_REVOKED,
        AdminError::Failure(failure) => return failure.into(),
    };
    code.into()
}
