//! Everything the handlers run: the use-cases, composed. [`crate::compose`] makes it; nothing here names an adapter.

use std::sync::Arc;

use keystead_application::account::{
    ActivateAccount, BeginReset, ChangePassword, DeactivateAccount, ExportAccount, ForgotPassword, ReadProfile,
    RegisterUser, ResendCode, ResetPassword, UpdateProfile, VerifyRegistration,
};
use keystead_application::operation::{KeyKeeper, Operator};
use keystead_application::ports::{Clock, Entropy, RateLimiter, Store, TokenSigner};
use keystead_application::revocation::AccessGate;
use keystead_application::service::Idempotency;
use keystead_application::session::{
    EndSessions, ExchangeRefreshToken, Login, Reauthenticate, RefreshSession, SessionOverview,
};

/// The use-cases, and the few ports handlers use directly.
pub struct Services {
    /// Decides whether a token counts.
    pub gate: Arc<AccessGate>,
    /// `/auth/register`.
    pub register: RegisterUser,
    /// `/auth/register/verify`.
    pub verify_registration: VerifyRegistration,
    /// `/auth/login/otp` for registrations.
    pub resend_code: ResendCode,
    /// `/auth/login`.
    pub login: Login,
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
    /// `keystead user …`.
    pub operator: Operator,
    /// Keys.
    pub keys: Arc<KeyKeeper>,
    /// Publishes the JWK set.
    pub signer: Arc<dyn TokenSigner>,
    /// For health checks.
    pub store: Arc<dyn Store>,
    /// Request limits.
    pub limiter: Arc<dyn RateLimiter>,
    /// Repeated requests.
    pub idempotency: Idempotency,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}
