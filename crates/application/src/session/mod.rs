//! Signing in, refreshing, ending sessions.

mod end_sessions;
mod exchange;
mod last_seen;
mod login;
mod overview;
mod reauthenticate;
mod refresh;
mod standing;

pub use end_sessions::{EndSessions, EndSessionsError, LogoutProof};
pub use exchange::{ExchangeRefreshToken, ExchangeRefreshTokenError};
pub use last_seen::LastSeen;
pub use login::{Login, LoginCommand, LoginDesk, LoginError};
pub use overview::{HistoryCursor, SessionOverview};
pub use reauthenticate::{Reauthenticate, ReauthenticateError};
pub use refresh::{RefreshDesk, RefreshRefusal, RefreshSession, RefreshSessionError};
pub use standing::Standing;
