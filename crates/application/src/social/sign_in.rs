use std::sync::Arc;

use keystead_domain::account::{Address, ContactKind, EmailAddress, LoginName, Role, User};
use keystead_domain::audit::AuditEventName;
use keystead_domain::social::{ProviderId, SocialIdentity};
use keystead_domain::token::Amr;
use keystead_domain::{SecretString, Timestamp};
use thiserror::Error;

use super::flow::{FlowRefusal, SocialFlows, SocialReturn, SocialStart};
use super::newcomer::Newcomer;
use crate::account::RegistrationDesk;
use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::message::Notice;
use crate::ports::{Clock, Constraint, SocialProfile, Store, StoreError, Tx};
use crate::service::{
    Admission, EpochChange, FactorGuard, Proof, Revoker, SignInDesk, raise_epoch, record, record_with, standing_of,
};

/// How often a sign-in that lost a race looks again.
const LOOKS: usize = 3;

/// Why a sign-in with an account elsewhere was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SocialSignInError {
    /// The operator configured no such provider.
    #[error("there is no such provider")]
    UnknownProvider,
    /// What came back is of no flow of this client, or does not check out.
    #[error("the answer does not count")]
    Invalid,
    /// The provider does not answer.
    #[error("the provider is unavailable: {0}")]
    Unavailable(String),
    /// The account is closed.
    #[error("the account is closed")]
    AccountInactive,
    /// The address is an administrator's: their accounts are linked from a session only.
    #[error("this account is linked from a session only")]
    LinkFromSession,
    /// The account of this address is linked to another account of that provider.
    #[error("another account of the provider is linked")]
    Taken,
    /// The provider tells no address, and there is no account to sign in to.
    #[error("the provider tells no address")]
    NoAddress,
    /// Strangers do not register here.
    #[error("registration is closed")]
    RegistrationClosed,
    /// Nobody registers with this kind of contact here.
    #[error("nobody registers with this kind of contact here")]
    ContactNotAccepted(ContactKind),
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(SocialSignInError);

impl From<FlowRefusal> for SocialSignInError {
    fn from(refusal: FlowRefusal) -> Self {
        match refusal {
            FlowRefusal::UnknownProvider => Self::UnknownProvider,
            FlowRefusal::Invalid(_) => Self::Invalid,
            FlowRefusal::Unavailable(why) => Self::Unavailable(why),
            FlowRefusal::Failure(failure) => Self::Failure(failure),
        }
    }
}

/// Signs in with an account at a provider: to the account it is linked with, to the account of an address that the
/// provider vouches for, or to a new one.
pub struct SocialSignIn {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    flows: Arc<SocialFlows>,
    desk: SignInDesk,
    revoker: Arc<Revoker>,
    newcomer: Newcomer,
}

/// Who came back, and what they showed besides.
struct Arrival<'a> {
    provider: &'a ProviderId,
    profile: SocialProfile,
    /// The operator believes what the provider says about addresses.
    vouches: bool,
    device: Option<SecretString>,
    context: &'a RequestContext,
}

/// What came of one look at the store.
enum Settled {
    Admitted(Box<Admission>),
    /// Somebody else was faster; what they made is to be looked at.
    Raced,
}

impl From<Admission> for Settled {
    fn from(admission: Admission) -> Self {
        Self::Admitted(Box::new(admission))
    }
}

impl SocialSignIn {
    /// The use-case with its dependencies.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        flows: Arc<SocialFlows>,
        desk: SignInDesk,
        registration: RegistrationDesk,
        revoker: Arc<Revoker>,
    ) -> Self {
        let newcomer = Newcomer { flows: flows.clone(), desk: desk.clone(), registration };
        Self { store, clock, flows, desk, revoker, newcomer }
    }

    /// The providers, in the operator's order: what they are called in addresses, and by people.
    pub fn providers(&self) -> impl Iterator<Item = (&ProviderId, &str)> {
        self.flows.providers()
    }

    /// Begins: where to send the person, and the client id that alone can go on.
    pub async fn begin(
        &self,
        provider: &ProviderId,
        context: &RequestContext,
    ) -> Result<SocialStart, SocialSignInError> {
        let (client_id, fingerprint) = self.flows.client(context.client_id.as_ref());
        let (url, expires_at) = self.flows.begin(provider, fingerprint, None, self.clock.now()).await?;
        Ok(SocialStart { url, client_id, expires_at })
    }

    /// Completes. `client_id`: the one the client shows; `device`: the token of a browser signed in with before.
    pub async fn complete(
        &self,
        back: &SocialReturn,
        client_id: Option<&SecretString>,
        device: Option<SecretString>,
        context: &RequestContext,
    ) -> Result<Admission, SocialSignInError> {
        let client = client_id.map(|id| self.flows.fingerprint(id));
        let profile = match self.flows.redeem(back, client, None, self.clock.now()).await {
            Ok(profile) => profile,
            Err(refusal) => {
                if let FlowRefusal::Invalid(why) = &refusal {
                    self.note(&back.provider, why, context).await?;
                }
                return Err(refusal.into());
            }
        };
        let vouches = self.flows.vouches(&back.provider);
        let arrival = Arrival { provider: &back.provider, profile, vouches, device, context };
        for _ in 0..LOOKS {
            if let Settled::Admitted(admission) = self.settle(&arrival).await? {
                return Ok(*admission);
            }
        }
        Err(Failure::Unavailable("too many sign-ins of one person at once".to_owned()).into())
    }

    async fn settle(&self, arrival: &Arrival<'_>) -> Result<Settled, SocialSignInError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let subject = &arrival.profile.subject;
        if let Some(identity) = tx.social().find(arrival.provider, subject).await? {
            return self.by_identity(tx, &identity, arrival, now).await;
        }
        let email = arrival.profile.email.clone().ok_or(SocialSignInError::NoAddress)?;
        if !(arrival.vouches && arrival.profile.email_verified) {
            let (profile, context) = (&arrival.profile, arrival.context);
            let tokens = self.newcomer.claim(tx, arrival.provider, profile, email, context, now).await?;
            return Ok(Admission::Asked(Box::new(tokens)).into());
        }
        let name = LoginName::from(Address::Email(email.clone()));
        match tx.users().find_by_login_name(&name).await? {
            Some((user, _)) => self.by_address(tx, user, arrival, now).await,
            None => self.newly(tx, email, arrival, now).await,
        }
    }

    /// To the account that this account elsewhere is linked with.
    async fn by_identity(
        &self,
        mut tx: Box<dyn Tx>,
        identity: &SocialIdentity,
        arrival: &Arrival<'_>,
        now: Timestamp,
    ) -> Result<Settled, SocialSignInError> {
        let user = tx.users().get(identity.user_id).await?;
        // From here on the user is held. The link may have been taken away before.
        let still = tx.social().find(arrival.provider, &arrival.profile.subject).await?;
        let (Some(user), Some(still)) = (user, still) else { return Ok(Settled::Raced) };
        if still.id != identity.id {
            return Ok(Settled::Raced);
        }
        if !user.is_active() {
            return self.refuse_inactive(tx, &user, arrival.context, now).await;
        }
        tx.social().touch(identity.id, now).await?;
        self.admit(tx, &user, arrival, now).await
    }

    /// To the account of an address that the provider vouches for: both sides verified it. It is linked, so that it is
    /// known from then on, unless more is asked: whoever has not proved the second factor adds no way in.
    async fn by_address(
        &self,
        mut tx: Box<dyn Tx>,
        user: User,
        arrival: &Arrival<'_>,
        now: Timestamp,
    ) -> Result<Settled, SocialSignInError> {
        if !user.is_active() {
            return self.refuse_inactive(tx, &user, arrival.context, now).await;
        }
        if user.role >= Role::Admin {
            let (event, who) = (AuditEventName::SocialFailed, (None, Some(user.id)));
            let why = format!("{}: an administrator's account is linked from a session only", arrival.provider);
            record_with(&mut *tx, event, who, None, (arrival.context, why), now).await?;
            tx.commit().await?;
            return Err(SocialSignInError::LinkFromSession);
        }
        let linked = tx.social().list(user.id).await?;
        match linked.iter().find(|link| link.provider == *arrival.provider) {
            Some(link) if link.subject == arrival.profile.subject => return Ok(Settled::Raced),
            Some(_) => return self.refuse_taken(tx, &user, arrival, now).await,
            None => {}
        }
        let standing = standing_of(&mut *tx, &user, &self.desk.settings).await?;
        if !standing.asks(self.desk.settings.factors.second_factor, None, false).is_empty() {
            return self.admit(tx, &user, arrival, now).await;
        }
        let identity = self.flows.identity(user.id, arrival.provider, &arrival.profile, now);
        let identity = SocialIdentity { last_used_at: Some(now), ..identity };
        match tx.social().insert(&identity).await {
            Ok(()) => {}
            Err(StoreError::Conflict(Constraint::SocialIdentity)) => return Ok(Settled::Raced),
            Err(other) => return Err(other.into()),
        }
        let (user, change) = self.linked(&mut *tx, user, arrival, now).await?;
        let settled = self.admit(tx, &user, arrival, now).await?;
        self.revoker.announce(&[change.revocation]).await;
        Ok(settled)
    }

    /// A way in was added: the epoch moves on and the owner is told.
    async fn linked(
        &self,
        tx: &mut dyn Tx,
        user: User,
        arrival: &Arrival<'_>,
        now: Timestamp,
    ) -> Result<(User, EpochChange), SocialSignInError> {
        let gone = || Failure::Internal("a user that is held is gone".to_owned());
        let change = raise_epoch(tx, user.id, false, now).await?.ok_or_else(gone)?;
        let user = User { epoch: change.epoch, ..user };
        let (provider, occasion) = (self.flows.name_of(arrival.provider), arrival.context.occasion(now));
        self.desk.postbox.notify(tx, &user, Notice::SocialLinked { provider, occasion }, now).await?;
        let (event, who) = (AuditEventName::SocialLinked, (Some(user.id), Some(user.id)));
        record_with(tx, event, who, None, (arrival.context, arrival.provider.to_string()), now).await?;
        Ok((user, change))
    }

    /// To a new account.
    async fn newly(
        &self,
        tx: Box<dyn Tx>,
        email: EmailAddress,
        arrival: &Arrival<'_>,
        now: Timestamp,
    ) -> Result<Settled, SocialSignInError> {
        let (profile, context) = (&arrival.profile, arrival.context);
        let made = self.newcomer.make(tx, arrival.provider, profile, email, context, now).await?;
        Ok(made.map_or(Settled::Raced, |tokens| Admission::Authorized(Box::new(tokens)).into()))
    }

    async fn admit(
        &self,
        mut tx: Box<dyn Tx>,
        user: &User,
        arrival: &Arrival<'_>,
        now: Timestamp,
    ) -> Result<Settled, SocialSignInError> {
        let token = arrival.device.as_ref().map(SecretString::expose);
        let known = FactorGuard::known(&self.desk.guard, &mut *tx, user.id, token, now).await?.is_some();
        let known_device = if known { arrival.device.clone() } else { None };
        let proof = Proof { amr: vec![Amr::Federated], known_device, ..Proof::default() };
        Ok(self.desk.admit(tx, user, proof, arrival.context, now).await?.into())
    }

    async fn refuse_inactive(
        &self,
        mut tx: Box<dyn Tx>,
        user: &User,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<Settled, SocialSignInError> {
        record(&mut *tx, AuditEventName::LoginRefused, (None, Some(user.id)), None, context, now).await?;
        tx.commit().await?;
        Err(SocialSignInError::AccountInactive)
    }

    /// The address is the account's, but another account of the provider was linked: an address that was given to
    /// somebody else there.
    async fn refuse_taken(
        &self,
        mut tx: Box<dyn Tx>,
        user: &User,
        arrival: &Arrival<'_>,
        now: Timestamp,
    ) -> Result<Settled, SocialSignInError> {
        let why = format!("{}: another account there is linked", arrival.provider);
        let (event, who) = (AuditEventName::SocialFailed, (None, Some(user.id)));
        record_with(&mut *tx, event, who, None, (arrival.context, why), now).await?;
        tx.commit().await?;
        Err(SocialSignInError::Taken)
    }

    async fn note(&self, provider: &ProviderId, why: &str, context: &RequestContext) -> Result<(), SocialSignInError> {
        let mut tx = self.store.begin().await?;
        let (event, detail) = (AuditEventName::SocialFailed, format!("{provider}: {why}"));
        record_with(&mut *tx, event, (None, None), None, (context, detail), self.clock.now()).await?;
        Ok(tx.commit().await?)
    }
}
