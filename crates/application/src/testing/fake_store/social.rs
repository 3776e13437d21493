use async_trait::async_trait;
use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::social::{ProviderId, SocialIdentity, SocialSubject};
use uuid::Uuid;

use crate::ports::{Constraint, SocialRepository, StoreError};

/// Links to accounts elsewhere, in the order they were added.
#[derive(Clone, Debug, Default)]
pub struct Social(pub Vec<SocialIdentity>);

#[async_trait]
impl SocialRepository for Social {
    async fn find(
        &mut self,
        provider: &ProviderId,
        subject: &SocialSubject,
    ) -> Result<Option<SocialIdentity>, StoreError> {
        Ok(self.0.iter().find(|link| link.provider == *provider && link.subject == *subject).cloned())
    }

    async fn list(&mut self, user: UserId) -> Result<Vec<SocialIdentity>, StoreError> {
        let mut links: Vec<SocialIdentity> = self.0.iter().filter(|link| link.user_id == user).cloned().collect();
        links.sort_by_key(|link| (link.created_at, link.id));
        Ok(links)
    }

    async fn insert(&mut self, identity: &SocialIdentity) -> Result<(), StoreError> {
        let clashes = |link: &SocialIdentity| {
            link.provider == identity.provider && (link.subject == identity.subject || link.user_id == identity.user_id)
        };
        if self.0.iter().any(clashes) {
            return Err(StoreError::Conflict(Constraint::SocialIdentity));
        }
        self.0.push(identity.clone());
        Ok(())
    }

    async fn touch(&mut self, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
        if let Some(link) = self.0.iter_mut().find(|link| link.id == id) {
            link.last_used_at = Some(now);
        }
        Ok(())
    }

    async fn delete(&mut self, user: UserId, provider: &ProviderId) -> Result<Option<SocialIdentity>, StoreError> {
        let index = self.0.iter().position(|link| link.user_id == user && link.provider == *provider);
        Ok(index.map(|index| self.0.remove(index)))
    }
}
