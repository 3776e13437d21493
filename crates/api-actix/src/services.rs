//! Everything the handlers run: the use-cases, composed. [`crate::compose`] makes it; nothing here names an adapter.

use std::sync::Arc;

use keystead_application::account::{
    ActivateAccount, AddSrpCredential, BeginReset, ChangePassword, DeactivateAccount, ExportAccount, ForgotPassword,
    ReadProfile, RegisterUser, ResendCode, ResetPassword, UpdateProfile, VerifyRegistration,
};
use keystead_application::admin::{Impersonate, ManageOutbox, ManageSessions, ManageUsers, NoteRefusal};
use keystead_application::attendance::{Attendances, ManageAttendances};
use keystead_application::audit::{ReadAudit, VerifyAudit};
use keystead_application::captcha::{CaptchaGate, ProofOfWork};
use keystead_application::factor::{
    Contacts, MakeRecoveryCodes, Passkeys, ResealFactors, SocialLinks, TotpFactor, UndoContactChange,
};
use keystead_application::operation::{KeyKeeper, Operator, SendReminders};
use keystead_application::ports::{Clock, Entropy, RateLimiter, Store, TokenSigner};
use keystead_application::revocation::AccessGate;
use keystead_application::service::{GuessGuard, Idempotency, StepUpGate};
use keystead_application::session::{
    AnswerSecondFactor, EndSessions, ExchangeRefreshToken, Login, PasskeyLogin, Passwordless, Reauthenticate,
    RefreshSession, SendFactorCode, SessionOverview, SrpChallenge, SrpLogin, StepUp,
};
use keystead_application::social::SocialSignIn;

/// Where captchas come from.
pub enum CaptchaSource {
    /// There are none.
    Off,
    /// Made here.
    ProofOfWork(Arc<ProofOfWork>),
    /// A company's widget.
    Site {
        /// Whose.
        provider: &'static str,
        /// What its widget is made with.
        site_key: String,
    },
}

/// The use-cases, and the few ports handlers use directly.
pub struct Services {
    /// Decides whether a token counts.
    pub gate: Arc<AccessGate>,
    /// Reads step-up proofs.
    pub step_up_gate: StepUpGate,
    /// `/auth/register`.
    pub register: RegisterUser,
    /// `/auth/register/verify`.
    pub verify_registration: VerifyRegistration,
    /// `/auth/login/otp` for registrations.
    pub resend_code: ResendCode,
    /// `/auth/login`.
    pub login: Login,
    /// Asks for captchas.
    pub captcha: Arc<CaptchaGate>,
    /// `/captcha/challenge`.
    pub captchas: CaptchaSource,
    /// `/auth/srp/challenge`.
    pub srp_challenge: SrpChallenge,
    /// `/auth/srp/login`.
    pub srp_login: SrpLogin,
    /// `/auth/srp/verifier`.
    pub add_srp: AddSrpCredential,
    /// `/auth/login/code`.
    pub second_factor: AnswerSecondFactor,
    /// `/auth/login/otp` for logins and resets.
    pub send_factor_code: SendFactorCode,
    /// `/auth/login/passkey`.
    pub passkey_login: PasskeyLogin,
    /// `/auth/passwordless`.
    pub passwordless: Passwordless,
    /// `/auth/otp`.
    pub step_up: StepUp,
    /// `/auth/reauth`.
    pub reauthenticate: Reauthenticate,
    /// `/auth/activate`.
    pub activate: ActivateAccount,
    /// `/auth/refresh`.
    pub refresh: RefreshSession,
    /// `GET /auth/token`.
    pub exchange: ExchangeRefreshToken,
    /// Logout, ending sessions, revoking tokens.
    pub end_sessions: EndSessions,
    /// `/auth/password/forgot`.
    pub forgot_password: ForgotPassword,
    /// `/auth/password/reset/begin`.
    pub begin_reset: BeginReset,
    /// `/auth/password/reset`.
    pub reset_password: ResetPassword,
    /// `PATCH /auth/password`.
    pub change_password: ChangePassword,
    /// `/totp`.
    pub totp: TotpFactor,
    /// `/recovery-codes`.
    pub recovery_codes: MakeRecoveryCodes,
    /// `/passkeys`.
    pub passkeys: Passkeys,
    /// `/contacts`.
    pub contacts: Contacts,
    /// `/social`.
    pub social: SocialSignIn,
    /// `/users/me/social`.
    pub social_links: SocialLinks,
    /// `/contacts/undo`.
    pub undo_contact: UndoContactChange,
    /// Seals what was sealed under older keys.
    pub reseal: Arc<ResealFactors>,
    /// `GET /users/me`.
    pub read_profile: ReadProfile,
    /// `PATCH /users/me`.
    pub update_profile: UpdateProfile,
    /// `DELETE /users/me`.
    pub deactivate: DeactivateAccount,
    /// `GET /users/me/export`.
    pub export: ExportAccount,
    /// `/sessions`, `/login-history`.
    pub overview: SessionOverview,
    /// `/admin/users`.
    pub manage_users: ManageUsers,
    /// `/admin/sessions`.
    pub manage_sessions: ManageSessions,
    /// `/admin/users/{id}/impersonations`.
    pub impersonate: Impersonate,
    /// `/admin/outbox`.
    pub manage_outbox: ManageOutbox,
    /// `/admin/audit-events`.
    pub read_audit: ReadAudit,
    /// `keystead audit verify`.
    pub verify_audit: VerifyAudit,
    /// `/attendance`, `/attendances`; `None` where it is switched off.
    pub attendance: Option<Arc<Attendance>>,
    /// Who asked for what they may not do.
    pub refusals: NoteRefusal,
    /// `keystead user …`.
    pub operator: Operator,
    /// Keys.
    pub keys: Arc<KeyKeeper>,
    /// Publishes the JWK set.
    pub signer: Arc<dyn TokenSigner>,
    /// For health checks.
    pub store: Arc<dyn Store>,
    /// Request limits of addresses.
    pub limiter: Arc<dyn RateLimiter>,
    /// Request limits of accounts.
    pub guard: GuessGuard,
    /// Repeated requests.
    pub idempotency: Idempotency,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// The use-cases of attendance.
pub struct Attendance {
    /// One's own coming and going.
    pub own: Attendances,
    /// `/admin/attendances`.
    pub manage: ManageAttendances,
    /// `keystead reminders run`.
    pub reminders: Arc<SendReminders>,
}
