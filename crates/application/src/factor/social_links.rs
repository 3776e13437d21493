use std::sync::Arc;

use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::audit::AuditEventName;
use keystead_domain::social::{ProviderId, SocialIdentity};
use thiserror::Error;

use super::desk::{Change, FactorDesk, FactorError, Made};
use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::message::Notice;
use crate::ports::{Constraint, StoreError};
use crate::service::{AuthorizedTokens, Caller, WaysIn, record_with};
use crate::social::{FlowRefusal, LinkPlace, SocialFlows, SocialReturn};

/// Why an account elsewhere was not linked or unlinked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SocialLinkError {
    /// As with any factor.
    #[error(transparent)]
    Factor(FactorError),
    /// The operator configured no such provider.
    #[error("there is no such provider")]
    UnknownProvider,
    /// What came back is of no flow of this session, or does not check out.
    #[error("the answer does not count")]
    Invalid,
    /// The provider does not answer.
    #[error("the provider is unavailable: {0}")]
    Unavailable(String),
    /// That account elsewhere opens another account here, or another one there opens this.
    #[error("the account elsewhere is linked, or another one is")]
    Taken,
    /// Nothing else would open the account.
    #[error("the last way in stays")]
    LastWayIn,
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(SocialLinkError);

impl From<FactorError> for SocialLinkError {
    fn from(error: FactorError) -> Self {
        match error {
            FactorError::Failure(failure) => Self::Failure(failure),
            other => Self::Factor(other),
        }
    }
}

impl From<FlowRefusal> for SocialLinkError {
    fn from(refusal: FlowRefusal) -> Self {
        match refusal {
            FlowRefusal::UnknownProvider => Self::UnknownProvider,
            FlowRefusal::Invalid(_) => Self::Invalid,
            FlowRefusal::Unavailable(why) => Self::Unavailable(why),
            FlowRefusal::Failure(failure) => Self::Failure(failure),
        }
    }
}

/// A link as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedIdentity {
    /// The link.
    pub identity: SocialIdentity,
    /// What people call the provider.
    pub display_name: String,
}

/// A person's accounts elsewhere that open their account here.
pub struct SocialLinks {
    desk: FactorDesk,
    flows: Arc<SocialFlows>,
}

fn place_of(caller: &Caller) -> LinkPlace {
    LinkPlace { user: caller.claims.subject, session: caller.claims.session(), epoch: caller.claims.epoch }
}

impl SocialLinks {
    /// The use-case with its dependencies.
    pub fn new(desk: FactorDesk, flows: Arc<SocialFlows>) -> Self {
        Self { desk, flows }
    }

    /// The links, oldest first.
    pub async fn list(&self, caller: &Caller) -> Result<Vec<LinkedIdentity>, SocialLinkError> {
        let links = self.desk.store.read().await?.social().list(caller.claims.subject).await?;
        Ok(links.into_iter().map(|identity| self.shown(identity)).collect())
    }

    fn shown(&self, identity: SocialIdentity) -> LinkedIdentity {
        LinkedIdentity { display_name: self.flows.name_of(&identity.provider), identity }
    }

    /// Begins a link, for this session alone: where to send the person, and until when.
    pub async fn begin(&self, caller: &Caller, provider: &ProviderId) -> Result<(String, Timestamp), SocialLinkError> {
        let now = self.desk.clock.now();
        let mut opened = self.desk.open(caller, now).await?;
        if self.flows.provider(provider).is_none() {
            return Err(SocialLinkError::UnknownProvider);
        }
        let linked = opened.tx.social().list(opened.user.id).await?;
        if linked.iter().any(|link| link.provider == *provider) {
            return Err(SocialLinkError::Taken);
        }
        opened.tx.commit().await?;
        let place = place_of(caller);
        Ok(self.flows.begin(provider, caller.claims.fingerprint, Some(&place), now).await?)
    }

    /// Links the account of whoever came back. The proof was shown when the flow began, which nothing has changed since:
    /// it is over with the session's epoch.
    pub async fn complete(
        &self,
        caller: &Caller,
        back: &SocialReturn,
        context: &RequestContext,
    ) -> Result<(LinkedIdentity, AuthorizedTokens), SocialLinkError> {
        let now = self.desk.clock.now();
        let (place, client) = (place_of(caller), Some(caller.claims.fingerprint));
        let profile = match self.flows.redeem(back, client, Some(&place), now).await {
            Ok(profile) => profile,
            Err(refusal) => {
                if let FlowRefusal::Invalid(why) = &refusal {
                    self.note(place.user, &back.provider, why, context).await?;
                }
                return Err(refusal.into());
            }
        };
        let now = self.desk.clock.now();
        let mut opened = self.desk.look(caller).await?;
        let identity = self.flows.identity(place.user, &back.provider, &profile, now);
        match opened.tx.social().insert(&identity).await {
            Ok(()) => {}
            Err(StoreError::Conflict(Constraint::SocialIdentity)) => return Err(SocialLinkError::Taken),
            Err(other) => return Err(other.into()),
        }
        let (provider, occasion) = (self.flows.name_of(&back.provider), context.occasion(now));
        let made = Made {
            change: Change::Added,
            event: AuditEventName::SocialLinked,
            notice: Some(Notice::SocialLinked { provider, occasion }),
            proved: None,
        };
        let tokens = self.desk.close(opened, caller, made, context, now).await?;
        Ok((self.shown(identity), tokens))
    }

    /// Takes a link away. Every other session ends.
    pub async fn remove(
        &self,
        caller: &Caller,
        provider: &ProviderId,
        context: &RequestContext,
    ) -> Result<AuthorizedTokens, SocialLinkError> {
        let now = self.desk.clock.now();
        let mut opened = self.desk.open(caller, now).await?;
        if opened.tx.social().delete(opened.user.id, provider).await?.is_none() {
            return Err(SocialLinkError::Factor(FactorError::NotFound));
        }
        // Dropped without a commit, the link is back.
        if !WaysIn::of(&mut *opened.tx, &opened.user, &self.desk.login.settings).await?.lead_in() {
            return Err(SocialLinkError::LastWayIn);
        }
        let (provider, occasion) = (self.flows.name_of(provider), context.occasion(now));
        let made = Made {
            change: Change::Removed,
            event: AuditEventName::SocialUnlinked,
            notice: Some(Notice::SocialUnlinked { provider, occasion }),
            proved: None,
        };
        Ok(self.desk.close(opened, caller, made, context, now).await?)
    }

    async fn note(
        &self,
        user: UserId,
        provider: &ProviderId,
        why: &str,
        context: &RequestContext,
    ) -> Result<(), SocialLinkError> {
        let mut tx = self.desk.store.begin().await?;
        let (event, detail) = (AuditEventName::SocialFailed, format!("{provider}: {why}"));
        let now = self.desk.clock.now();
        record_with(&mut *tx, event, (Some(user), Some(user)), None, (context, detail), now).await?;
        Ok(tx.commit().await?)
    }
}
