//! Signing in, refreshing, ending sessions.

mod end_sessions;
mod exchange;
mod last_seen;
mod login;
mod overview;
mod passkey_login;
mod passwordless;
mod reauthenticate;
mod refresh;
mod second_factor;
mod send_factor_code;
mod srp_challenge;
mod srp_login;
mod standing;
mod step_up;

pub use end_sessions::{EndSessions, EndSessionsError, LogoutProof};
pub use exchange::{ExchangeRefreshToken, ExchangeRefreshTokenError};
pub use last_seen::LastSeen;
pub use login::{Login, LoginCommand, LoginDesk, LoginError};
pub use overview::{HistoryCursor, SessionOverview};
pub use passkey_login::PasskeyLogin;
pub use passwordless::{Passwordless, StartPasswordlessError};
pub use reauthenticate::{Reauthenticate, ReauthenticateError, ReauthenticationTools};
pub use refresh::{RefreshDesk, RefreshRefusal, RefreshSession, RefreshSessionError};
pub use second_factor::{AnswerSecondFactor, FactorAnswer, SecondFactorError};
pub use send_factor_code::{SendFactorCode, SendFactorCodeError};
pub use srp_challenge::{SrpChallenge, SrpChallengeError};
pub use srp_login::{SrpAdmitted, SrpLogin, SrpLoginCommand, SrpLoginError};
pub use standing::Standing;
pub use step_up::{Medium, StepUp, StepUpError, StepUpTools};
