use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::factor::{CredentialId, Enrolled, FactorFailures, Passkey, PasskeyId, RecoveryCodeHash, Totp};

use crate::ports::{BudgetKey, Constraint, FactorFailureRepository, FactorRepository, PasskeyRepository, StoreError};

/// What people have besides contacts.
#[derive(Clone, Debug, Default)]
pub struct Factors {
    /// TOTP credentials.
    pub totp: BTreeMap<UserId, Totp>,
    /// Unused recovery codes.
    pub recovery_codes: BTreeMap<UserId, Vec<RecoveryCodeHash>>,
    /// Passkeys, in the order they were added.
    pub passkeys: Vec<Passkey>,
}

#[async_trait]
impl FactorRepository for Factors {
    async fn enrolled(&mut self, user: UserId) -> Result<Enrolled, StoreError> {
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        Ok(Enrolled {
            totp: self.totp.get(&user).is_some_and(|totp| totp.sealed.is_some()),
            passkeys: count(self.passkeys.iter().filter(|passkey| passkey.user_id == user).count()),
            recovery_codes: count(self.recovery_codes.get(&user).map_or(0, Vec::len)),
        })
    }

    async fn totp(&mut self, user: UserId) -> Result<Option<Totp>, StoreError> {
        Ok(self.totp.get(&user).cloned())
    }

    async fn put_totp(&mut self, totp: &Totp) -> Result<(), StoreError> {
        self.totp.insert(totp.user_id, totp.clone());
        Ok(())
    }

    async fn delete_totp(&mut self, user: UserId) -> Result<bool, StoreError> {
        Ok(self.totp.remove(&user).is_some())
    }

    async fn list_totp(&mut self, after: Option<UserId>, size: u32) -> Result<Vec<Totp>, StoreError> {
        let later = self.totp.values().filter(|totp| after.is_none_or(|after| totp.user_id > after));
        Ok(later.take(size as usize).cloned().collect())
    }

    async fn replace_recovery_codes(
        &mut self,
        user: UserId,
        codes: &[RecoveryCodeHash],
        _now: Timestamp,
    ) -> Result<(), StoreError> {
        self.recovery_codes.insert(user, codes.to_vec());
        Ok(())
    }

    async fn recovery_code(&mut self, user: UserId, selector: &str) -> Result<Option<RecoveryCodeHash>, StoreError> {
        let codes = self.recovery_codes.get(&user);
        Ok(codes.and_then(|codes| codes.iter().find(|code| code.selector == selector)).cloned())
    }

    async fn consume_recovery_code(&mut self, user: UserId, selector: &str) -> Result<bool, StoreError> {
        let Some(codes) = self.recovery_codes.get_mut(&user) else { return Ok(false) };
        let before = codes.len();
        codes.retain(|code| code.selector != selector);
        Ok(codes.len() < before)
    }
}

#[async_trait]
impl PasskeyRepository for Factors {
    async fn list(&mut self, user: UserId) -> Result<Vec<Passkey>, StoreError> {
        let mut passkeys: Vec<Passkey> =
            self.passkeys.iter().filter(|passkey| passkey.user_id == user).cloned().collect();
        passkeys.sort_by_key(|passkey| (passkey.created_at, passkey.id));
        Ok(passkeys)
    }

    async fn find(&mut self, credential: &CredentialId) -> Result<Option<Passkey>, StoreError> {
        Ok(self.passkeys.iter().find(|passkey| passkey.credential_id == *credential).cloned())
    }

    async fn insert(&mut self, passkey: &Passkey) -> Result<(), StoreError> {
        if self.passkeys.iter().any(|other| other.credential_id == passkey.credential_id) {
            return Err(StoreError::Conflict(Constraint::PasskeyCredential));
        }
        self.passkeys.push(passkey.clone());
        Ok(())
    }

    async fn update(&mut self, passkey: &Passkey) -> Result<(), StoreError> {
        if let Some(kept) = self.passkeys.iter_mut().find(|kept| kept.id == passkey.id) {
            *kept = Passkey {
                credential_id: kept.credential_id.clone(),
                aaguid: kept.aaguid,
                created_at: kept.created_at,
                ..passkey.clone()
            };
        }
        Ok(())
    }

    async fn delete(&mut self, user: UserId, id: PasskeyId) -> Result<bool, StoreError> {
        let before = self.passkeys.len();
        self.passkeys.retain(|passkey| passkey.user_id != user || passkey.id != id);
        Ok(self.passkeys.len() < before)
    }
}

/// Failures at second factors, and when they are forgotten.
#[derive(Clone, Debug, Default)]
pub struct Failures(pub HashMap<BudgetKey, (FactorFailures, Timestamp)>);

#[async_trait]
impl FactorFailureRepository for Failures {
    async fn hold(&mut self, key: &BudgetKey) -> Result<FactorFailures, StoreError> {
        Ok(self.0.get(key).map(|(failures, _)| failures.clone()).unwrap_or_default())
    }

    async fn put(
        &mut self,
        key: &BudgetKey,
        failures: &FactorFailures,
        forgotten_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.0.insert(key.clone(), (failures.clone(), forgotten_at));
        Ok(())
    }

    async fn delete_expired(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let before = self.0.len();
        self.0.retain(|_, (_, forgotten_at)| now <= *forgotten_at);
        Ok((before - self.0.len()) as u64)
    }
}
