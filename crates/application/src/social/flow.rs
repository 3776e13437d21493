use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystead_domain::account::{Epoch, UserId};
use keystead_domain::social::{ProviderId, SocialIdentity};
use keystead_domain::token::{Fingerprint, SessionId};
use keystead_domain::{SecretString, Timestamp, limits};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::failure::{Failure, fails_with};
use crate::ports::{
    CeremonyKey, CeremonyKind, CeremonyStore, Entropy, KeyedHash, SocialAnswer, SocialError, SocialProfile,
    SocialProvider, SocialRequest,
};
use crate::random;

/// Longest label of an account elsewhere, in characters.
const LABEL: usize = 200;

/// Why a flow did not begin, or what came back of it does not count.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FlowRefusal {
    /// The operator configured no such provider.
    #[error("there is no such provider")]
    UnknownProvider,
    /// The state is unknown, used, too old, or another client's or provider's; or the provider's answer does not check
    /// out. The text is for the audit log.
    #[error("the answer does not count: {0}")]
    Invalid(String),
    /// The provider does not answer.
    #[error("the provider is unavailable: {0}")]
    Unavailable(String),
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(FlowRefusal);

/// A flow that began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocialStart {
    /// Where to send the person.
    pub url: String,
    /// The client that alone can go on.
    pub client_id: SecretString,
    /// Until when.
    pub expires_at: Timestamp,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocialReturn {
    /// The provider whose callback it came to.
    pub provider: ProviderId,
    /// `state`.
    pub state: SecretString,
    /// The rest.
    pub answer: SocialAnswer,
}

/// The session that a link is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinkPlace {
    pub user: UserId,
    pub session: SessionId,
    pub epoch: Epoch,
}

/// A flow as it is kept. The state itself is not: only its hash, as the key.
#[derive(Serialize, Deserialize)]
struct Kept {
    provider: String,
    nonce: String,
    code_verifier: String,
    fingerprint: [u8; 32],
    link: Option<KeptLink>,
}

#[derive(Serialize, Deserialize)]
struct KeptLink {
    user: String,
    session: String,
    epoch: i64,
}

/// Flows on their way to a provider and back: kept on the server, taken once, good for the provider and the client they
/// began with.
pub struct SocialFlows {
    providers: Vec<Arc<dyn SocialProvider>>,
    ceremonies: Arc<dyn CeremonyStore>,
    hash: Arc<dyn KeyedHash>,
    entropy: Arc<dyn Entropy>,
}

impl SocialFlows {
    /// The service.
    pub fn new(
        providers: Vec<Arc<dyn SocialProvider>>,
        ceremonies: Arc<dyn CeremonyStore>,
        hash: Arc<dyn KeyedHash>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { providers, ceremonies, hash, entropy }
    }

    /// The providers, as the operator ordered them: what they are called in addresses, and by people.
    pub fn providers(&self) -> impl Iterator<Item = (&ProviderId, &str)> {
        self.providers.iter().map(|provider| (provider.id(), provider.display_name()))
    }

    pub(crate) fn provider(&self, id: &ProviderId) -> Option<&dyn SocialProvider> {
        self.providers.iter().find(|provider| provider.id() == id).map(|provider| &**provider)
    }

    /// Whether the operator believes what a provider says about addresses.
    pub(crate) fn vouches(&self, id: &ProviderId) -> bool {
        self.provider(id).is_some_and(SocialProvider::vouches_for_addresses)
    }

    /// What people call a provider; one that is not configured any more is called what it was called in addresses.
    pub(crate) fn name_of(&self, id: &ProviderId) -> String {
        self.provider(id).map_or_else(|| id.to_string(), |provider| provider.display_name().to_owned())
    }

    /// A client id and its fingerprint: the one that was shown, or a new one.
    pub(crate) fn client(&self, shown: Option<&SecretString>) -> (SecretString, Fingerprint) {
        let id = shown.cloned().unwrap_or_else(|| random::secret(&*self.entropy));
        let fingerprint = self.fingerprint(&id);
        (id, fingerprint)
    }

    pub(crate) fn fingerprint(&self, client_id: &SecretString) -> Fingerprint {
        Fingerprint(self.hash.digest(client_id.expose().as_bytes()))
    }

    /// Begins a flow for a client. Returns where to send the person.
    pub(crate) async fn begin(
        &self,
        provider: &ProviderId,
        fingerprint: Fingerprint,
        link: Option<&LinkPlace>,
        now: Timestamp,
    ) -> Result<(String, Timestamp), FlowRefusal> {
        let port = self.provider(provider).ok_or(FlowRefusal::UnknownProvider)?;
        let request = SocialRequest {
            state: random::secret(&*self.entropy),
            nonce: random::secret(&*self.entropy),
            code_verifier: random::secret(&*self.entropy),
        };
        let url = port.begin(&request).await?;
        let kept = Kept {
            provider: provider.as_str().to_owned(),
            nonce: request.nonce.expose().to_owned(),
            code_verifier: request.code_verifier.expose().to_owned(),
            fingerprint: fingerprint.0,
            link: link.map(KeptLink::from),
        };
        let state = serde_json::to_vec(&kept).map_err(|error| Failure::Internal(error.to_string()))?;
        let end = now.plus(limits::SOCIAL_LIFE);
        if !self.ceremonies.insert(&self.key(&request.state), &state, now, end).await? {
            return Err(Failure::Internal("a state was drawn twice".to_owned()).into());
        }
        Ok((url, end))
    }

    /// Takes the flow of a state, whatever becomes of it, and asks the provider who came. `link`: the session that a link
    /// is for; a sign-in is for none.
    pub(crate) async fn redeem(
        &self,
        back: &SocialReturn,
        client: Option<Fingerprint>,
        link: Option<&LinkPlace>,
        now: Timestamp,
    ) -> Result<SocialProfile, FlowRefusal> {
        let port = self.provider(&back.provider).ok_or(FlowRefusal::UnknownProvider)?;
        let invalid = |why: &str| Err(FlowRefusal::Invalid(why.to_owned()));
        let Some(kept) = self.ceremonies.take(&self.key(&back.state), now).await? else {
            return invalid("the state is unknown, used or too old");
        };
        let Ok(kept) = serde_json::from_slice::<Kept>(kept.expose()) else {
            return invalid("the state cannot be read");
        };
        // Nothing goes to a provider that did not give the code: it would learn it (RFC 9700 section 4.4).
        if kept.provider != back.provider.as_str() {
            return invalid("the state is of a flow with another provider");
        }
        // Whoever brings another client's state would sign that client's user in here, or the other way round.
        if client.is_none_or(|client| client.0 != kept.fingerprint) {
            return invalid("the state is of a flow of another client");
        }
        if kept.link.as_ref().map(LinkPlace::try_from).transpose().ok() != Some(link.cloned()) {
            return invalid("the state is of a flow for something else");
        }
        let request = SocialRequest {
            state: back.state.clone(),
            nonce: SecretString::new(kept.nonce),
            code_verifier: SecretString::new(kept.code_verifier),
        };
        Ok(port.complete(&back.answer, &request).await?)
    }

    /// A link to an account elsewhere.
    pub(crate) fn identity(
        &self,
        user_id: UserId,
        provider: &ProviderId,
        profile: &SocialProfile,
        now: Timestamp,
    ) -> SocialIdentity {
        SocialIdentity {
            id: random::user_id(&*self.entropy).as_uuid(),
            user_id,
            provider: provider.clone(),
            subject: profile.subject.clone(),
            label: label(profile),
            created_at: now,
            last_used_at: None,
        }
    }

    fn key(&self, state: &SecretString) -> CeremonyKey {
        let hash = self.hash.digest(state.expose().as_bytes());
        CeremonyKey { kind: CeremonyKind::Social, id: URL_SAFE_NO_PAD.encode(hash) }
    }
}

/// What an account elsewhere is called there: one line, as long as may be stored.
pub(crate) fn label(profile: &SocialProfile) -> Option<String> {
    let told = profile.label.clone().or_else(|| profile.email.as_ref().map(ToString::to_string));
    let line: String = told?.chars().filter(|c| !c.is_control()).take(LABEL).collect();
    Some(line).filter(|line| !line.trim().is_empty())
}

impl From<&LinkPlace> for KeptLink {
    fn from(place: &LinkPlace) -> Self {
        Self { user: place.user.to_string(), session: place.session.to_string(), epoch: place.epoch.number() }
    }
}

impl TryFrom<&KeptLink> for LinkPlace {
    type Error = ();

    fn try_from(kept: &KeptLink) -> Result<Self, ()> {
        let user = UserId::parse(&kept.user).ok_or(())?;
        let session = SessionId::parse(&kept.session).ok_or(())?;
        Ok(Self { user, session, epoch: Epoch::new(kept.epoch) })
    }
}

impl From<SocialError> for FlowRefusal {
    fn from(error: SocialError) -> Self {
        match error {
            SocialError::Refused(why) => Self::Invalid(why),
            SocialError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}
