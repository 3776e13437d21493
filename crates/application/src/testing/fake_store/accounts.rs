use async_trait::async_trait;
use keystead_domain::Timestamp;
use keystead_domain::account::{LinkPurpose, LinkToken, LinkTokenHash, PendingRegistration, UserId};
use keystead_domain::token::TokenId;

use crate::ports::{LinkTokenRepository, RegistrationRepository, StoreError};

/// Claims to addresses.
#[derive(Clone, Debug, Default)]
pub struct Registrations(pub Vec<PendingRegistration>);

#[async_trait]
impl RegistrationRepository for Registrations {
    async fn insert(&mut self, registration: &PendingRegistration) -> Result<(), StoreError> {
        self.0.push(registration.clone());
        Ok(())
    }

    async fn get(&mut self, id: UserId, now: Timestamp) -> Result<Option<PendingRegistration>, StoreError> {
        Ok(self.0.iter().find(|claim| claim.id == id && now < claim.expires_at).cloned())
    }

    async fn consume(&mut self, id: UserId, now: Timestamp) -> Result<Option<PendingRegistration>, StoreError> {
        let taken = self.get(id, now).await?;
        if let Some(taken) = &taken {
            self.0.retain(|claim| claim.address != taken.address);
        }
        Ok(taken)
    }

    async fn delete_expired(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let before = self.0.len();
        self.0.retain(|claim| now <= claim.expires_at);
        Ok((before - self.0.len()) as u64)
    }
}

/// Mailed single-use tokens.
#[derive(Clone, Debug, Default)]
pub struct LinkTokens(pub Vec<LinkToken>);

impl LinkTokens {
    fn unused(&self, hash: LinkTokenHash, purpose: LinkPurpose, now: Timestamp) -> Option<usize> {
        self.0.iter().position(|token| {
            token.hash == hash && token.purpose == purpose && token.begun_as.is_none() && now < token.expires_at
        })
    }

    fn begun(&self, as_token: &TokenId, now: Timestamp) -> Option<usize> {
        self.0.iter().position(|token| token.begun_as.as_ref() == Some(as_token) && now < token.expires_at)
    }

    fn rebind(&mut self, as_token: &TokenId, next_token: &TokenId, now: Timestamp) -> Option<&mut LinkToken> {
        let index = self.begun(as_token, now)?;
        let token = self.0.get_mut(index)?;
        token.begun_as = Some(next_token.clone());
        Some(token)
    }
}

#[async_trait]
impl LinkTokenRepository for LinkTokens {
    async fn issue(&mut self, token: &LinkToken) -> Result<(), StoreError> {
        let older = |other: &LinkToken| {
            token.user_id.is_some() && other.user_id == token.user_id && other.purpose == token.purpose
        };
        self.0.retain(|other| !older(other));
        self.0.push(token.clone());
        Ok(())
    }

    async fn begin(
        &mut self,
        hash: LinkTokenHash,
        purpose: LinkPurpose,
        as_token: &TokenId,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<LinkToken>, StoreError> {
        let index = self.unused(hash, purpose, now);
        Ok(index.and_then(|index| self.0.get_mut(index)).map(|token| {
            token.begun_as = Some(as_token.clone());
            token.expires_at = expires_at;
            token.clone()
        }))
    }

    async fn find_begun(&mut self, as_token: &TokenId, now: Timestamp) -> Result<Option<LinkToken>, StoreError> {
        Ok(self.begun(as_token, now).and_then(|index| self.0.get(index)).cloned())
    }

    async fn prove_begun(
        &mut self,
        as_token: &TokenId,
        next_token: &TokenId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.rebind(as_token, next_token, now).map(|token| token.factor_proved = true).is_some())
    }

    async fn rebind_begun(
        &mut self,
        as_token: &TokenId,
        next_token: &TokenId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.rebind(as_token, next_token, now).is_some())
    }

    async fn consume_begun(&mut self, as_token: &TokenId, now: Timestamp) -> Result<Option<LinkToken>, StoreError> {
        Ok(self.begun(as_token, now).map(|index| self.0.remove(index)))
    }

    async fn consume(
        &mut self,
        hash: LinkTokenHash,
        purpose: LinkPurpose,
        now: Timestamp,
    ) -> Result<Option<LinkToken>, StoreError> {
        Ok(self.unused(hash, purpose, now).map(|index| self.0.remove(index)))
    }

    async fn find(
        &mut self,
        hash: LinkTokenHash,
        purpose: LinkPurpose,
        now: Timestamp,
    ) -> Result<Option<LinkToken>, StoreError> {
        Ok(self.unused(hash, purpose, now).and_then(|index| self.0.get(index)).cloned())
    }

    async fn delete_for_user(&mut self, user: UserId) -> Result<(), StoreError> {
        self.0.retain(|token| token.user_id != Some(user));
        Ok(())
    }

    async fn delete_expired(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let before = self.0.len();
        self.0.retain(|token| now <= token.expires_at);
        Ok((before - self.0.len()) as u64)
    }
}
