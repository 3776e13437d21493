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
    /// A code was sent.
    CodeSent => "authn_code_sent",
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
    /// The first factor was right; a second one is asked for.
    SecondFactorAsked => "authn_mfa_asked",
    /// A second factor was wrong.
    SecondFactorFailed => "authn_mfa_fail",
    /// Wrong second factors blocked an account's factors.
    SecondFactorBlocked => "authn_mfa_lock",
    /// A person proved a second factor within a session.
    SteppedUp => "authn_mfa_success",
    /// A code of another person was shown with one's own session.
    StepUpMismatch => "authn_mfa_mismatch",
    /// A login without a password began.
    PasswordlessStarted => "authn_passwordless_started",
    /// A TOTP secret was confirmed.
    TotpEnabled => "mfa_totp_enabled",
    /// A TOTP secret was removed.
    TotpDisabled => "mfa_totp_disabled",
    /// A passkey was registered.
    PasskeyAdded => "mfa_passkey_added",
    /// A passkey was renamed.
    PasskeyRenamed => "mfa_passkey_renamed",
    /// A passkey was removed.
    PasskeyRemoved => "mfa_passkey_removed",
    /// A passkey's counter went back: there may be a copy of it.
    PasskeyCloned => "mfa_passkey_cloned",
    /// New recovery codes were made.
    RecoveryCodesMade => "mfa_recovery_codes_made",
    /// A recovery code was used.
    RecoveryCodeUsed => "mfa_recovery_code_used",
    /// An address is to be added or replaced.
    ContactChangeStarted => "contact_change_started",
    /// An address was added or replaced.
    ContactChanged => "contact_changed",
    /// An address was removed.
    ContactRemoved => "contact_removed",
    /// Codes to a contact became a second factor.
    ContactOtpEnabled => "mfa_contact_enabled",
    /// Codes to a contact are a second factor no more.
    ContactOtpDisabled => "mfa_contact_disabled",
    /// The change of an address was undone from the old one.
    ContactChangeUndone => "contact_change_undone",
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
