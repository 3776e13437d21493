use thiserror::Error;

use crate::failure::{Failure, fails_with};

/// Why an administrator's wish was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AdminError {
    /// There is nothing of this name.
    #[error("there is no such thing")]
    NotFound,
    /// The caller's role does not reach so far.
    #[error("the role does not allow it")]
    Forbidden,
    /// Nobody may be acted as who is an administrator, closed, or the caller; or the caller is acting as somebody already.
    #[error("this account cannot be acted as")]
    ImpersonationForbidden,
    /// A second factor must be proved first.
    #[error("a second factor is needed")]
    MfaRequired,
    /// Administrators do this to others only.
    #[error("that is not done to oneself")]
    OwnAccount,
    /// Nobody of this role would be left.
    #[error("the account is the last of its role")]
    LastAdministrator,
    /// The address has an account.
    #[error("the address has an account")]
    EmailTaken,
    /// The number has an account.
    #[error("the number has an account")]
    PhoneTaken,
    /// Somebody else holds the username.
    #[error("the username is taken")]
    UsernameTaken,
    /// Messages to this kind of contact cannot be sent here.
    #[error("messages cannot be sent there")]
    ContactNotAccepted,
    /// The message will not be sent any more.
    #[error("the message is dead")]
    MessageDead,
    /// The caller's session, role or standing ended meanwhile.
    #[error("the session is over")]
    SessionOver,
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(AdminError);
