use std::collections::BTreeMap;

use async_trait::async_trait;
use keystead_domain::account::UserId;

use crate::ports::{SrpRepository, StoreError, StoredSrp};

/// SRP credentials.
#[derive(Clone, Debug, Default)]
pub struct Srp(pub BTreeMap<UserId, StoredSrp>);

#[async_trait]
impl SrpRepository for Srp {
    async fn get(&mut self, user: UserId) -> Result<Option<StoredSrp>, StoreError> {
        Ok(self.0.get(&user).cloned())
    }

    async fn put(&mut self, credential: &StoredSrp) -> Result<(), StoreError> {
        self.0.insert(credential.user_id, credential.clone());
        Ok(())
    }

    async fn delete(&mut self, user: UserId) -> Result<bool, StoreError> {
        Ok(self.0.remove(&user).is_some())
    }

    async fn list(&mut self, after: Option<UserId>, size: u32) -> Result<Vec<StoredSrp>, StoreError> {
        let later = self.0.values().filter(|credential| after.is_none_or(|after| credential.user_id > after));
        Ok(later.take(size as usize).cloned().collect())
    }
}
