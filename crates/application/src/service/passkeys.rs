use std::sync::Arc;

use keystead_domain::account::{User, UserId};
use keystead_domain::audit::AuditEventName;
use keystead_domain::factor::Passkey;
use keystead_domain::token::{Amr, SessionId};
use keystead_domain::{Timestamp, limits};
use serde::{Deserialize, Serialize};

use super::hex::hex;
use super::{Postbox, record};
use crate::context::RequestContext;
use crate::failure::Failure;
use crate::message::Notice;
use crate::ports::{
    Assertion, CeremonyKey, CeremonyKind, CeremonyStore, KeyedHash, PasskeyCeremony, PasskeyError, PasskeyVerifier,
    Store, Tx, UnverifiedAnswer,
};

/// Where a WebAuthn challenge was given, and where alone its answer counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The registration of a passkey in a session.
    Registration(SessionId),
    /// The question for a second factor of this flow.
    Flow(SessionId),
    /// A proof within a session.
    Session(SessionId),
    /// The sign-in page: nobody yet.
    SignIn,
}

impl Place {
    fn text(&self) -> String {
        match self {
            Self::Registration(session) => format!("registration:{session}"),
            Self::Flow(flow) => format!("flow:{flow}"),
            Self::Session(session) => format!("session:{session}"),
            Self::SignIn => "sign-in".to_owned(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Kept {
    place: String,
    state: Vec<u8>,
}

/// An assertion that was checked, and the passkey as it is to be kept.
#[derive(Clone, Debug)]
pub(crate) struct Asserted {
    /// The passkey as it was.
    pub before: Passkey,
    /// What the check found.
    pub found: Assertion,
}

impl Asserted {
    /// What it adds to `amr` (RFC 8176).
    pub(crate) fn amr(&self) -> Vec<Amr> {
        let key = if self.before.backup_eligible { Amr::SoftwareKey } else { Amr::HardwareKey };
        if self.found.user_verified { vec![key, Amr::UserVerified] } else { vec![key] }
    }
}

/// WebAuthn challenges: kept on the server, taken once, good at the place they were given for.
pub struct PasskeyCeremonies {
    ceremonies: Arc<dyn CeremonyStore>,
    hash: Arc<dyn KeyedHash>,
    verifier: Arc<dyn PasskeyVerifier>,
}

impl PasskeyCeremonies {
    /// The service.
    pub fn new(
        ceremonies: Arc<dyn CeremonyStore>,
        hash: Arc<dyn KeyedHash>,
        verifier: Arc<dyn PasskeyVerifier>,
    ) -> Self {
        Self { ceremonies, hash, verifier }
    }

    /// The checks.
    pub fn verifier(&self) -> &dyn PasskeyVerifier {
        &*self.verifier
    }

    /// Keeps a ceremony that began. Returns what the client is given.
    pub(crate) async fn begin(
        &self,
        place: &Place,
        ceremony: Result<PasskeyCeremony, PasskeyError>,
        now: Timestamp,
    ) -> Result<String, Failure> {
        let ceremony = ceremony.map_err(|error| Failure::Internal(error.to_string()))?;
        let kept = Kept { place: place.text(), state: ceremony.state };
        let state = serde_json::to_vec(&kept).map_err(|error| Failure::Internal(error.to_string()))?;
        let end = now.plus(limits::PASSKEY_CHALLENGE_LIFE);
        self.ceremonies.insert(&self.key(&ceremony.challenge), &state, now, end).await?;
        Ok(ceremony.options)
    }

    /// Takes the ceremony an answer claims to be of; `None` when there is none, it was taken, or it is another place's.
    pub(crate) async fn take(
        &self,
        place: &Place,
        answer: &str,
        now: Timestamp,
    ) -> Result<Option<(UnverifiedAnswer, Vec<u8>)>, Failure> {
        let Some(claimed) = self.verifier.read(answer) else { return Ok(None) };
        let Some(state) = self.ceremonies.take(&self.key(&claimed.challenge), now).await? else { return Ok(None) };
        let kept: Option<Kept> = serde_json::from_slice(state.expose()).ok();
        Ok(kept.filter(|kept| kept.place == place.text()).map(|kept| (claimed, kept.state)))
    }

    /// Takes the ceremony and checks the assertion. `owner`: whose passkey it must be; `None`: whose user handle it
    /// carries. `Err` inside: refused, by this passkey if its counter went back.
    pub(crate) async fn check(
        &self,
        store: &dyn Store,
        place: &Place,
        owner: Option<UserId>,
        answer: &str,
        now: Timestamp,
    ) -> Result<Result<Asserted, Option<Passkey>>, Failure> {
        let Some((claimed, state)) = self.take(place, answer, now).await? else { return Ok(Err(None)) };
        let Some(owner) = owner.or(claimed.user_handle) else { return Ok(Err(None)) };
        if claimed.user_handle.is_some_and(|handle| handle != owner) {
            return Ok(Err(None));
        }
        let found = store.read().await?.passkeys().find(&claimed.credential_id).await?;
        let Some(before) = found.filter(|passkey| passkey.user_id == owner) else { return Ok(Err(None)) };
        Ok(match self.verifier.finish_assertion(answer, &state, &before) {
            Ok(found) => Ok(Asserted { before, found }),
            Err(PasskeyError::Invalid) => Err(None),
            Err(PasskeyError::CounterWentBack) => Err(Some(before)),
        })
    }

    /// Keeps what an assertion changed, in the caller's transaction, which holds the user. `false`: the passkey is gone, or
    /// was used meanwhile.
    pub(crate) async fn keep(&self, tx: &mut dyn Tx, asserted: &Asserted, now: Timestamp) -> Result<bool, Failure> {
        let current = tx.passkeys().find(&asserted.before.credential_id).await?;
        let same = |passkey: &Passkey| (passkey.id, passkey.counter) == (asserted.before.id, asserted.before.counter);
        let Some(current) = current.filter(same) else {
            return Ok(false);
        };
        let found = &asserted.found;
        let next = Passkey {
            credential: found.credential.clone(),
            counter: found.counter,
            backed_up: found.backed_up,
            last_used_at: Some(now),
            ..current
        };
        tx.passkeys().update(&next).await?;
        Ok(true)
    }

    fn key(&self, challenge: &str) -> CeremonyKey {
        CeremonyKey { kind: CeremonyKind::Passkey, id: hex(&self.hash.digest(challenge.as_bytes())) }
    }
}

/// Writes that a passkey's counter went back, and tells its owner.
pub(crate) async fn report_clone(
    tx: &mut dyn Tx,
    postbox: &Postbox,
    user: &User,
    passkey: &Passkey,
    context: &RequestContext,
    now: Timestamp,
) -> Result<(), Failure> {
    record(tx, AuditEventName::PasskeyCloned, (None, Some(user.id)), None, context, now).await?;
    let notice = Notice::PasskeyCloned { passkey: passkey.name.as_str().to_owned(), occasion: context.occasion(now) };
    Ok(postbox.notify(tx, user, notice, now).await?)
}
