//! The closed list of security events.

use crate::Timestamp;
use crate::account::UserId;
use crate::token::{DeviceInfo, SessionId};

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident => $name:literal,)*) => {
        /// What happened, in the words of the OWASP Logging Vocabulary where it has one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum AuditEventName { $($(#[$doc])* $variant,)* }

        impl AuditEventName {
            /// Every event there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in the log.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Reads the name in the log.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

events! {
    /// Somebody claimed an address.
    RegistrationStarted => "user_registration_started",
    /// Somebody claimed an address that has an account.
    RegistrationOfTakenAddress => "user_registration_taken",
    /// A claim was proved: an account came to be.
    UserCreated => "user_created",
    /// A wrong or dead one-time code.
    CodeRejected => "authn_code_fail",
    /// Somebody signed in.
    LoginSucceeded => "authn_login_success",
    /// A wrong password, or no such account.
    LoginFailed => "authn_login_fail",
    /// The right password of a closed account.
    LoginRefused => "authn_login_refused",
    /// The guess budget of an account is spent.
    LoginLimited => "authn_login_lock",
    /// A copied refresh token was shown.
    RefreshReused => "authn_token_reuse",
    /// A refresh token came from another client.
    FingerprintMismatch => "authn_fingerprint_mismatch",
    /// A refresh token of a generation the store does not know.
    SessionStateLost => "authn_session_state_lost",
    /// A session was ended by its owner.
    SessionEnded => "session_ended",
    /// All sessions were ended by their owner.
    AllSessionsEnded => "session_ended_all",
    /// One token was revoked by its owner.
    TokenRevoked => "authn_token_revoked",
    /// A reset link was asked for.
    PasswordResetRequested => "authn_password_reset_requested",
    /// A reset link was opened.
    PasswordResetBegun => "authn_password_reset_begun",
    /// A password was replaced by reset.
    PasswordReset => "authn_password_reset",
    /// A password was changed by its owner.
    PasswordChanged => "authn_password_change",
    /// A change of password with a wrong current one.
    PasswordChangeFailed => "authn_password_change_fail",
    /// A person proved again who they are.
    Reauthenticated => "authn_reauth_success",
    /// A person failed to prove again who they are.
    ReauthenticationFailed => "authn_reauth_fail",
    /// An account was activated by its link.
    UserActivated => "user_activated",
    /// A profile changed.
    UserUpdated => "user_updated",
    /// A person closed their account.
    UserDeactivated => "user_deactivated",
    /// An operator added an account.
    UserAdded => "user_added_by_operator",
    /// An operator closed an account.
    UserBanned => "user_banned",
    /// An operator reopened an account.
    UserUnbanned => "user_unbanned",
    /// A signing or server key was added.
    KeyRotated => "sys_key_rotated",
}

/// One row of the audit log. It never holds a secret, a code, a token or a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// What happened.
    pub name: AuditEventName,
    /// When.
    pub at: Timestamp,
    /// Who did it; `None` for somebody not signed in, or an operator on the machine.
    pub actor: Option<UserId>,
    /// Whose account it concerns.
    pub subject: Option<UserId>,
    /// The session it happened in or to.
    pub session: Option<SessionId>,
    /// Where the request came from.
    pub device: DeviceInfo,
}
