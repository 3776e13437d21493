use std::collections::HashMap;

use async_trait::async_trait;
use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::limits::{Gcra, RatePolicy};
use keystead_domain::token::DeviceTokenHash;

use crate::ports::{BudgetDecision, BudgetKey, DeviceRepository, GuessBudgets, KeyRepository, StoreError, StoredKey};

/// Guess counters by policy name and key: windows as stores keep them, guesses and an end.
#[derive(Clone, Debug, Default)]
pub struct Budgets(pub HashMap<(&'static str, BudgetKey), (u32, Timestamp)>);

#[async_trait]
impl GuessBudgets for Budgets {
    async fn reserve(
        &mut self,
        key: &BudgetKey,
        policy: &RatePolicy,
        now: Timestamp,
    ) -> Result<BudgetDecision, StoreError> {
        let key = (policy.name, key.clone());
        let standing = |(count, ends_at): &(u32, Timestamp)| Gcra::standing(policy, *count, *ends_at, now);
        let mut counter = self.0.get(&key).map(standing).unwrap_or_default();
        Ok(match counter.take(policy, now) {
            Ok(count) => {
                self.0.insert(key, counter.as_window(policy, now));
                BudgetDecision::Reserved { count }
            }
            Err(again_at) => BudgetDecision::Exhausted { again_at },
        })
    }

    async fn release(&mut self, key: &BudgetKey, policy: &RatePolicy) -> Result<(), StoreError> {
        if let Some((count, _)) = self.0.get_mut(&(policy.name, key.clone())) {
            *count = count.saturating_sub(1);
        }
        Ok(())
    }

    async fn delete_expired(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let before = self.0.len();
        self.0.retain(|_, (_, ends_at)| now <= *ends_at);
        Ok((before - self.0.len()) as u64)
    }
}

/// Known devices and their ends.
#[derive(Clone, Debug, Default)]
pub struct Devices(pub HashMap<(UserId, DeviceTokenHash), Timestamp>);

#[async_trait]
impl DeviceRepository for Devices {
    async fn is_known(&mut self, user: UserId, hash: DeviceTokenHash, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.0.get(&(user, hash)).is_some_and(|end| now < *end))
    }

    async fn remember(
        &mut self,
        user: UserId,
        hash: DeviceTokenHash,
        _now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.0.insert((user, hash), expires_at);
        Ok(())
    }

    async fn forget_all(&mut self, user: UserId) -> Result<(), StoreError> {
        self.0.retain(|(owner, _), _| *owner != user);
        Ok(())
    }

    async fn delete_expired(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let before = self.0.len();
        self.0.retain(|_, end| now <= *end);
        Ok((before - self.0.len()) as u64)
    }
}

/// Keys, in the order they were added.
#[derive(Clone, Debug, Default)]
pub struct Keys(pub Vec<StoredKey>);

#[async_trait]
impl KeyRepository for Keys {
    async fn lock(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn list(&mut self, now: Timestamp) -> Result<Vec<StoredKey>, StoreError> {
        let mut keys: Vec<StoredKey> =
            self.0.iter().filter(|key| key.retires_at.is_none_or(|end| now < end)).cloned().collect();
        keys.sort_by_key(|key| key.created_at);
        Ok(keys)
    }

    async fn insert(&mut self, key: &StoredKey, older_retire_at: Timestamp) -> Result<(), StoreError> {
        for older in self.0.iter_mut().filter(|older| older.key_use == key.key_use) {
            older.retires_at.get_or_insert(older_retire_at);
        }
        self.0.push(key.clone());
        Ok(())
    }
}
