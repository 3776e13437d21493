use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use keystead_domain::Timestamp;
use keystead_domain::account::{Epoch, UserId};
use keystead_domain::limits;
use keystead_domain::token::{AccessClaims, Revocation, RevocationTarget, SessionId, TokenId};

/// What a user's tokens and sessions must at least carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserFloor {
    /// Tokens of an earlier epoch are over.
    pub epoch: Epoch,
    /// Sessions of an earlier epoch are over.
    pub sessions: Epoch,
}

/// What the view says of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not revoked.
    Valid,
    /// Revoked.
    Revoked,
    /// The view may have missed something: ask the store.
    Unconfirmed,
}

/// The revocations of the last hour, in memory. An access token lives less than that, so a token absent from the view
/// is not revoked, provided the view was confirmed lately.
///
/// Confirmation comes from the reader of the log ([`super::RevocationKeeper`]): `confirm(at)` says that everything
/// committed before `at` is in the view.
#[derive(Debug)]
pub struct RevocationView {
    entries: RwLock<Entries>,
    confirmed_at: AtomicI64,
}

#[derive(Debug, Default)]
struct Entries {
    tokens: HashMap<TokenId, Timestamp>,
    sessions: HashMap<SessionId, Timestamp>,
    users: HashMap<UserId, (UserFloor, Timestamp)>,
    /// Everything made until then is over.
    everybody: Option<Timestamp>,
}

impl Default for RevocationView {
    fn default() -> Self {
        Self { entries: RwLock::default(), confirmed_at: AtomicI64::new(i64::MIN) }
    }
}

impl RevocationView {
    /// Adds revocations. In any order, any number of times.
    pub fn apply(&self, revocations: &[Revocation]) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        for revocation in revocations {
            entries.add(revocation);
        }
    }

    /// Everything committed before `at` is in the view.
    pub fn confirm(&self, at: Timestamp) {
        self.confirmed_at.fetch_max(at.as_micros(), Ordering::Release);
    }

    /// Whether the view was confirmed within the last 900 ms. A clock that stepped back behind the confirmation leaves
    /// it unconfirmed too.
    pub fn is_confirmed(&self, now: Timestamp) -> bool {
        let confirmed = Timestamp::from_micros(self.confirmed_at.load(Ordering::Acquire));
        confirmed.as_micros() != i64::MIN
            && now.since(confirmed) <= limits::REVOCATION_CONFIRMED
            && confirmed.since(now) <= limits::REVOCATION_CONFIRMED
    }

    /// What the view says of a token.
    pub fn verdict(&self, claims: &AccessClaims, now: Timestamp) -> Verdict {
        if self.is_revoked(claims) {
            Verdict::Revoked
        } else if self.is_confirmed(now) {
            Verdict::Valid
        } else {
            Verdict::Unconfirmed
        }
    }

    fn is_revoked(&self, claims: &AccessClaims) -> bool {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.is_outdated(claims.subject, claims.epoch)
            || entries.everybody.is_some_and(|until| claims.auth_time <= until)
            || (!entries.tokens.is_empty() && entries.tokens.contains_key(&claims.token_id))
            || (!entries.sessions.is_empty() && entries.sessions.contains_key(&claims.token_id.session()))
            || claims.actor.as_ref().is_some_and(|actor| {
                entries.is_outdated(actor.subject, actor.epoch) || entries.sessions.contains_key(&actor.session)
            })
    }

    /// Until when everybody's sessions were ended, if that was within the last hour.
    pub fn everybody(&self) -> Option<Timestamp> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).everybody
    }

    /// What a user's tokens and sessions must carry, if it changed within the last hour.
    pub fn floor(&self, user: UserId) -> Option<UserFloor> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.users.get(&user).map(|(floor, _)| *floor)
    }

    /// Whether a session was revoked within the last hour.
    pub fn is_session_revoked(&self, session: &SessionId) -> bool {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).sessions.contains_key(session)
    }

    /// Forgets what is too old to concern a living token.
    pub fn prune(&self, now: Timestamp) {
        let oldest = now.minus(limits::REVOCATION_WINDOW + Duration::from_secs(60));
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.tokens.retain(|_, at| *at >= oldest);
        entries.sessions.retain(|_, at| *at >= oldest);
        entries.users.retain(|_, (_, at)| *at >= oldest);
        entries.everybody = entries.everybody.filter(|at| *at >= oldest);
    }
}

impl Entries {
    fn is_outdated(&self, user: UserId, epoch: Epoch) -> bool {
        self.users.get(&user).is_some_and(|(floor, _)| epoch < floor.epoch)
    }

    fn add(&mut self, revocation: &Revocation) {
        let at = revocation.at;
        match &revocation.target {
            RevocationTarget::Token(id) => {
                self.tokens.insert(id.clone(), at);
            }
            RevocationTarget::Session(id) => {
                self.sessions.insert(id.clone(), at);
            }
            RevocationTarget::Everybody => self.everybody = self.everybody.max(Some(at)),
            RevocationTarget::User { id, epoch, sessions } => {
                let (floor, latest) =
                    self.users.entry(*id).or_insert((UserFloor { epoch: *epoch, sessions: *sessions }, at));
                floor.epoch = floor.epoch.max(*epoch);
                floor.sessions = floor.sessions.max(*sessions);
                *latest = (*latest).max(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{START, a_revocation, access_claims, after, session_id, user_id};

    fn user(epoch: i64, sessions: i64, at: Timestamp) -> Revocation {
        let (epoch, sessions) = (Epoch::new(epoch), Epoch::new(sessions));
        Revocation { target: RevocationTarget::User { id: user_id(1), epoch, sessions }, at }
    }

    #[test]
    fn a_new_view_trusts_nothing_and_a_confirmation_never_moves_back() {
        let view = RevocationView::default();
        assert_eq!(view.verdict(&access_claims(), START), Verdict::Unconfirmed);
        view.confirm(after(10));
        view.confirm(START);
        assert_eq!(view.verdict(&access_claims(), after(10)), Verdict::Valid);
    }

    #[test]
    fn floors_rise_in_any_order_of_reading() {
        let rows = [user(2, 2, START), user(4, 2, after(2)), user(3, 3, after(1))];
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let view = RevocationView::default();
            for index in order {
                view.apply(&[rows[index].clone(), rows[index].clone()]);
            }
            let floor = UserFloor { epoch: Epoch::new(4), sessions: Epoch::new(3) };
            assert_eq!(view.floor(user_id(1)), Some(floor));
        }
    }

    #[test]
    fn pruning_forgets_what_no_living_token_can_be() {
        let view = RevocationView::default();
        view.apply(&[a_revocation(), user(2, 2, START)]);
        view.prune(START.plus(limits::REVOCATION_WINDOW));
        assert_eq!(view.verdict(&access_claims(), START), Verdict::Revoked);
        view.apply(&[user(3, 3, after(120))]);
        view.prune(START.plus(limits::REVOCATION_WINDOW + Duration::from_secs(61)));
        assert!(!view.is_session_revoked(&session_id("session-1")));
        assert!(view.floor(user_id(1)).is_some(), "a user's row is as young as its latest");
    }
}
