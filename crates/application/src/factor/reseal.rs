use std::sync::Arc;

use crate::failure::Failure;
use crate::ports::Store;
use crate::service::FactorCodes;

/// Rows looked at in one transaction.
const BATCH: u32 = 100;

/// Seals TOTP secrets again under the active key. For a process beside requests, and for whoever changes keys.
pub struct ResealFactors {
    store: Arc<dyn Store>,
    codes: Arc<FactorCodes>,
}

impl ResealFactors {
    /// The use-case with its dependencies.
    pub fn new(store: Arc<dyn Store>, codes: Arc<FactorCodes>) -> Self {
        Self { store, codes }
    }

    /// Looks at every row. Returns how many were sealed again.
    pub async fn run(&self) -> Result<u64, Failure> {
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
