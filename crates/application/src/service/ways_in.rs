use keystead_domain::account::UserId;

use super::Secrets;
use crate::ports::{StoreError, Tx};

/// How a person signs in, besides codes to their contacts where the service takes those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaysIn {
    /// A password, an SRP credential, or both.
    pub secret: bool,
    /// Passkeys.
    pub passkeys: usize,
    /// Accounts elsewhere.
    pub social: usize,
}

impl WaysIn {
    /// Those of a person.
    pub(crate) async fn of(tx: &mut dyn Tx, user: UserId) -> Result<Self, StoreError> {
        Ok(Self {
            secret: Secrets::has_one(tx, user).await?,
            passkeys: tx.passkeys().list(user).await?.len(),
            social: tx.social().list(user).await?.len(),
        })
    }

    /// Whether there is none.
    pub(crate) fn is_empty(self) -> bool {
        !self.secret && self.passkeys == 0 && self.social == 0
    }
}
