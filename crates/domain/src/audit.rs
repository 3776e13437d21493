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
    /// A session was ended by a newer one: its owner had more than an account may have.
    SessionDisplaced => "session_displaced",
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
    /// An administrator made an account.
    UserCreatedByAdmin => "user_created_by_admin",
    /// An operator brought an account from another system.
    UserImported => "user_imported",
    /// An account that its owner had closed was opened again.
    UserReactivated => "user_reactivated",
    /// An account and all that is kept for it was deleted.
    UserDeleted => "user_deleted",
    /// A closed account was deleted when its time was up.
    UserPurged => "user_purged",
    /// What an account may do changed.
    RoleChanged => "authz_change",
    /// Somebody asked for what they may not do.
    AuthorizationFailed => "authz_fail",
    /// An administrator began to act as somebody else.
    ImpersonationStarted => "authn_impersonate_start",
    /// An administrator ended a session of somebody else.
    SessionEndedByAdmin => "session_ended_by_admin",
    /// An administrator ended all sessions of somebody else.
    AllSessionsEndedByAdmin => "session_ended_all_by_admin",
    /// An administrator ended every session there was.
    EverybodySignedOut => "session_ended_everybody",
    /// An administrator had a message tried again.
    MessageRetried => "sys_outbox_retried",
    /// Accounts were written to a file.
    UsersExported => "sys_users_exported",
    /// A person replaced their password by an SRP verifier, or added one.
    SrpVerifierSet => "authn_srp_verifier_set",
    /// An SRP challenge was answered twice, or with another one's state.
    SrpReplayed => "authn_srp_replay",
    /// A captcha was missing, wrong or used.
    CaptchaRefused => "captcha_refused",
    /// An account at a provider was linked.
    SocialLinked => "social_linked",
    /// An account at a provider was unlinked.
    SocialUnlinked => "social_unlinked",
    /// A sign-in with a provider failed: another browser's state, or an answer that does not check out.
    SocialFailed => "social_fail",
    /// Somebody checked in.
    CheckedIn => "attendance_checked_in",
    /// Somebody checked out.
    CheckedOut => "attendance_checked_out",
    /// Attendances were written to a file.
    AttendancesExported => "sys_attendances_exported",
    /// Stands for a row that this version cannot read: of a later one, or of another hand. Never written.
    Unreadable => "sys_audit_unreadable",
    /// Audit rows older than the policy keeps were deleted.
    AuditPruned => "sys_audit_pruned",
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
    /// In whose name it was done; `None` for somebody not signed in, or an operator on the machine.
    pub actor: Option<UserId>,
    /// The administrator who acted as `actor`, when it was not `actor` in person (RFC 8693 section 4.1).
    pub impersonator: Option<UserId>,
    /// Whose account it concerns.
    pub subject: Option<UserId>,
    /// The session it happened in or to.
    pub session: Option<SessionId>,
    /// Where the request came from.
    pub device: DeviceInfo,
    /// What the name alone does not say: a reason, a change of role. At most [`AuditEvent::MAX_DETAIL`] bytes, no control
    /// characters.
    pub detail: Option<String>,
}

impl AuditEvent {
    /// The longest detail, in bytes.
    pub const MAX_DETAIL: usize = 500;

    /// Every field as bytes, in an order that never changes: what a seal or a hash of the event is made over. Absent and
    /// empty differ.
    pub fn canonical(&self) -> Vec<Vec<u8>> {
        fn field(value: Option<impl AsRef<[u8]>>) -> Vec<u8> {
            value.map_or_else(Vec::new, |value| [b"+", value.as_ref()].concat())
        }
        let id = |user: Option<UserId>| field(user.map(|user| user.to_string()));
        vec![
            self.name.as_str().as_bytes().to_vec(),
            self.at.as_micros().to_be_bytes().to_vec(),
            id(self.actor),
            id(self.impersonator),
            id(self.subject),
            field(self.session.as_ref().map(SessionId::as_str)),
            field(self.device.ip.map(|ip| ip.to_string())),
            field(self.device.user_agent.as_deref()),
            field(self.detail.as_deref()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> AuditEvent {
        AuditEvent {
            name: AuditEventName::UserUpdated,
            at: Timestamp::from_micros(7),
            actor: None,
            impersonator: None,
            subject: None,
            session: None,
            device: DeviceInfo::default(),
            detail: None,
        }
    }

    #[test]
    fn names_are_read_back_and_are_all_different() {
        let names: std::collections::BTreeSet<_> = AuditEventName::ALL.iter().map(|name| name.as_str()).collect();
        assert_eq!(names.len(), AuditEventName::ALL.len());
        for name in AuditEventName::ALL {
            assert_eq!(AuditEventName::parse(name.as_str()), Some(*name));
        }
    }

    #[test]
    fn every_field_shows_in_the_canonical_form() {
        let id = Some(UserId::from_random([1; 16]));
        let device = |ip: Option<&str>, agent: Option<&str>| DeviceInfo {
            ip: ip.map(|ip| ip.parse().unwrap()),
            user_agent: agent.map(ToOwned::to_owned),
        };
        let forms = [
            event(),
            AuditEvent { name: AuditEventName::UserBanned, ..event() },
            AuditEvent { at: Timestamp::from_micros(8), ..event() },
            AuditEvent { actor: id, ..event() },
            AuditEvent { impersonator: id, ..event() },
            AuditEvent { subject: id, ..event() },
            AuditEvent { session: SessionId::parse("s"), ..event() },
            AuditEvent { device: device(Some("192.0.2.1"), None), ..event() },
            AuditEvent { device: device(None, Some("")), ..event() },
            AuditEvent { device: device(None, Some("a")), ..event() },
            AuditEvent { detail: Some(String::new()), ..event() },
            AuditEvent { detail: Some("a".to_owned()), ..event() },
        ];
        let distinct: std::collections::HashSet<_> = forms.iter().map(AuditEvent::canonical).collect();
        assert_eq!(distinct.len(), forms.len());
    }
}
