use std::sync::Arc;

use keystead_domain::account::LoginName;
use thiserror::Error;

use crate::failure::{Failure, fails_with};
use crate::ports::{Clock, Store};
use crate::service::{IssuedSrpChallenge, SrpExchange};

/// Why there is no challenge.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SrpChallengeError {
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(SrpChallengeError);

/// Begins an SRP login: one look-up, one modular exponentiation, one sealing, whoever asks. A name without a credential gets
/// values that stay the same and open nothing (G01).
pub struct SrpChallenge {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    exchange: SrpExchange,
}

impl SrpChallenge {
    /// The use-case with its dependencies.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, exchange: SrpExchange) -> Self {
        Self { store, clock, exchange }
    }

    /// Runs it for what was typed as the name.
    pub async fn run(&self, identity: &str) -> Result<IssuedSrpChallenge, SrpChallengeError> {
        let name = LoginName::parse(identity);
        let account = {
            let mut tx = self.store.read().await?;
            let user = tx.users().find_by_login_name(&name).await?.map(|(user, _)| user);
            self.exchange.account(&mut *tx, &name, user.as_ref()).await?
        };
        self.exchange.challenge(&account, self.clock.now()).await.map_err(SrpChallengeError::Failure)
    }
}
