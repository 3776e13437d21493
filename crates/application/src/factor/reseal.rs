use std::sync::Arc;

use crate::failure::Failure;
use crate::ports::Store;
use crate::service::{FactorCodes, Secrets};

/// Rows looked at in one transaction.
const BATCH: u32 = 100;

/// Seals TOTP secrets and SRP credentials again under the active key. For a process beside requests, and for whoever changes keys.
pub struct ResealFactors {
    store: Arc<dyn Store>,
    codes: Arc<FactorCodes>,
    secrets: Secrets,
}

impl ResealFactors {
    /// The use-case with its dependencies.
    pub fn new(store: Arc<dyn Store>, codes: Arc<FactorCodes>, secrets: Secrets) -> Self {
        Self { store, codes, secrets }
    }

    /// Looks at every row. Returns how many were sealed again.
    pub async fn run(&self) -> Result<u64, Failure> {
        Ok(self.totp().await? + self.srp().await?)
    }

    async fn srp(&self) -> Result<u64, Failure> {
        let (mut after, mut resealed) = (None, 0);
        loop {
            let page = self.store.read().await?.srp().list(after, BATCH).await?;
            let Some(last) = page.last() else { return Ok(resealed) };
            after = Some(last.user_id);
            for seen in page {
                if self.secrets.resealed(&seen)?.is_none() {
                    continue;
                }
                let mut tx = self.store.begin().await?;
                tx.users().get(seen.user_id).await?;
                let Some(now) = tx.srp().get(seen.user_id).await? else { continue };
                let Some(next) = self.secrets.resealed(&now)? else { continue };
                tx.srp().put(&next).await?;
                tx.commit().await?;
                resealed += 1;
            }
        }
    }

    async fn totp(&self) -> Result<u64, Failure> {
        let (mut after, mut resealed) = (None, 0);
        loop {
            let page = self.store.read().await?.factors().list_totp(after, BATCH).await?;
            let Some(last) = page.last() else { return Ok(resealed) };
            after = Some(last.user_id);
            for seen in page {
                if self.codes.resealed(&seen)?.is_none() {
                    continue;
                }
                let mut tx = self.store.begin().await?;
                // Held, and read again: its owner may have used or replaced it meanwhile.
                tx.users().get(seen.user_id).await?;
                let Some(now) = tx.factors().totp(seen.user_id).await? else { continue };
                let Some(next) = self.codes.resealed(&now)? else { continue };
                tx.factors().put_totp(&next).await?;
                tx.commit().await?;
                resealed += 1;
            }
        }
    }
}
