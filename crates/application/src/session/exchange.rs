use std::sync::Arc;

use thiserror::Error;

use super::standing::{Change, Standing};
use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::ports::{Clock, SessionStore};
use crate::revocation::AccessGate;
use crate::service::{AuthorizedTokens, TokenIssuer};

/// Why no access token was handed out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExchangeRefreshTokenError {
    /// Not the head of a living session, or shown by another client. Nothing changed and nothing ends.
    #[error("the refresh token was refused")]
    Refused,
    /// The session belongs to another kind of client.
    #[error("the session belongs to another kind of client")]
    OtherClientKind,
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(ExchangeRefreshTokenError);

/// Gives a page that just loaded a fresh access token for its refresh cookie. Rotates nothing, extends nothing, writes
/// nothing: it answers a GET.
pub struct ExchangeRefreshToken {
    sessions: Arc<dyn SessionStore>,
    clock: Arc<dyn Clock>,
    issuer: Arc<TokenIssuer>,
    gate: Arc<AccessGate>,
    standing: Standing,
}

impl ExchangeRefreshToken {
    /// The use-case with its dependencies.
    pub fn new(
        sessions: Arc<dyn SessionStore>,
        clock: Arc<dyn Clock>,
        issuer: Arc<TokenIssuer>,
        gate: Arc<AccessGate>,
        standing: Standing,
    ) -> Self {
        Self { sessions, clock, issuer, gate, standing }
    }

    /// Runs it.
    pub async fn run(
        &self,
        token: &str,
        client_id: Option<&str>,
        context: &RequestContext,
    ) -> Result<AuthorizedTokens, ExchangeRefreshTokenError> {
        let now = self.clock.now();
        let token = self.issuer.read_refresh(token).ok_or(ExchangeRefreshTokenError::Refused)?;
        let Some(mut session) = self.sessions.find(&token.session, now).await? else {
            return Err(ExchangeRefreshTokenError::Refused);
        };
        if session.client != context.client {
            return Err(ExchangeRefreshTokenError::OtherClientKind);
        }
        let fingerprint = self.gate.fingerprint(client_id);
        if !session.accepts(token.generation, fingerprint.as_ref(), now, &self.issuer.lifetimes().refresh) {
            return Err(ExchangeRefreshTokenError::Refused);
        }
        match self.standing.of(&session, now).await? {
            Change::None => {}
            Change::Confirmed(epoch, role) => {
                session.epoch = epoch;
                session.role = role;
            }
            Change::Over => return Err(ExchangeRefreshTokenError::Refused),
        }
        Ok(self.issuer.access(&session, now)?)
    }
}

#[cfg(test)]
mod tests;
