use std::time::Duration;

use super::{Amr, ClientKind, DeviceInfo, Fingerprint, Generation, KeyId, SessionId};
use crate::Timestamp;
use crate::account::{Epoch, Role, UserId};
use crate::limits::{Gcra, RatePolicy};

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// Its owner signed out, or ended it from another session; or an administrator did; or its owner had too many.
    LoggedOut,
    /// An older refresh token of it was shown again: somebody copied one.
    RefreshReused,
    /// A refresh token of it was shown with another client's fingerprint.
    FingerprintMismatch,
    /// A generation the store never issued: the store lost state.
    StoreRolledBack,
    /// The owner's credentials, role or status changed.
    EpochEnded,
}

impl EndReason {
    /// The name in stores and the audit log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::RefreshReused => "refresh_reused",
            Self::FingerprintMismatch => "fingerprint_mismatch",
            Self::StoreRolledBack => "store_rolled_back",
            Self::EpochEnded => "epoch_ended",
        }
    }

    /// Reads the name in stores.
    pub fn parse(text: &str) -> Option<Self> {
        let all =
            [Self::LoggedOut, Self::RefreshReused, Self::FingerprintMismatch, Self::StoreRolledBack, Self::EpochEnded];
        all.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// How long refresh tokens live, and how forgiving a rotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshPolicy {
    /// The predecessor of the head is honoured this long after the rotation, for lost answers and parallel tabs.
    pub grace: Duration,
    /// A session nobody refreshed for this long is over.
    pub idle: Duration,
    /// How many rotations. Repeats within the grace never count.
    pub rotations: RatePolicy,
}

/// A refresh token with a verified mac, as a client showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presentation {
    /// The generation it names.
    pub generation: Generation,
    /// What kind of client showed it.
    pub client: ClientKind,
    /// The client's fingerprint, if it showed one.
    pub fingerprint: Option<Fingerprint>,
    /// The server key that signs a new head.
    pub key: KeyId,
    /// Now.
    pub now: Timestamp,
    /// The rules.
    pub policy: RefreshPolicy,
}

/// One signed-in client. Lives in the session store alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Identifier (`sid`).
    pub id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// Browser or native; a request of the other kind is refused.
    pub client: ClientKind,
    /// Hash of the client id.
    pub fingerprint: Fingerprint,
    /// The newest refresh generation.
    pub head: Generation,
    /// The server key the head was made with.
    pub head_key: KeyId,
    /// The server key of the generation before the head.
    pub previous_key: Option<KeyId>,
    /// When the head was made; `None` before the first rotation.
    pub rotated_at: Option<Timestamp>,
    /// When the window of [`Self::rotations`] began, as [`Gcra::standing`] reads it.
    pub rotations_since: Timestamp,
    /// Rotations in that window.
    pub rotations: u32,
    /// The user's epoch the session was last confirmed under.
    pub epoch: Epoch,
    /// The user's role as of that epoch.
    pub role: Role,
    /// How the person signed in.
    pub amr: Vec<Amr>,
    /// When the person last proved who they are.
    pub auth_time: Timestamp,
    /// When the session was made.
    pub created_at: Timestamp,
    /// When a request of the session was last seen; coalesced, so up to a minute old.
    pub last_seen_at: Timestamp,
    /// When the session ends whatever happens.
    pub expires_at: Timestamp,
    /// When epoch and status were last compared with the users table.
    pub checked_at: Timestamp,
    /// Where it was made.
    pub device: DeviceInfo,
    /// The administrator who acts as the user in it. Such a session has no refresh token.
    pub impersonator: Option<UserId>,
    /// Set once the session is over. It stays listed nowhere and refreshes nothing; it remains until `expires_at` so
    /// that a late reuse is still recognised.
    pub ended: Option<EndReason>,
}

/// What showing a refresh token with a valid mac did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented {
    /// It was the head: the head moved on by one.
    Rotated,
    /// It was the predecessor, within the grace, by the same client: the head is given again, nothing moved.
    Repeated,
    /// The session is over, for this reason; now or already.
    Ended(EndReason),
    /// The session's time is up.
    Expired,
    /// The client is of another kind than the session: nothing changed, and nothing may be handed out.
    OtherClientKind,
    /// Too many rotations: nothing changed; the token stays good.
    Limited {
        /// When the next rotation is possible.
        again_at: Timestamp,
    },
}

impl Session {
    /// Shows the session a refresh token whose mac was already verified.
    ///
    /// ```text
    ///   expired, ended, or an impersonation ........ Expired, Ended(reason), nothing changes
    ///   other kind of client ....................... OtherClientKind, nothing changes
    ///   other fingerprint .......................... session ends
    ///   n == head .................................. head := n + 1, Rotated; or Limited, nothing changes
    ///   n == head - 1, within grace of rotation .... Repeated, nothing changes
    ///   n <  head otherwise ........................ session ends (reuse)
    ///   n >  head .................................. session ends (the store lost state)
    /// ```
    ///
    /// Stores MUST apply this as one atomic step per session.
    pub fn present(&mut self, shown: &Presentation) -> Presented {
        if let Some(reason) = self.ended {
            return Presented::Ended(reason);
        }
        if self.is_expired(shown.now, &shown.policy) || self.impersonator.is_some() {
            return Presented::Expired;
        }
        if shown.client != self.client {
            return Presented::OtherClientKind;
        }
        if shown.fingerprint != Some(self.fingerprint) {
            return self.end(EndReason::FingerprintMismatch);
        }
        if shown.generation == self.head {
            return self.rotate(shown);
        }
        if shown.generation > self.head {
            return self.end(EndReason::StoreRolledBack);
        }
        if self.is_predecessor_in_grace(shown.generation, shown.now, &shown.policy) {
            return Presented::Repeated;
        }
        self.end(EndReason::RefreshReused)
    }

    fn rotate(&mut self, shown: &Presentation) -> Presented {
        let policy = &shown.policy.rotations;
        let ends_at = self.rotations_since.plus(policy.refill());
        let mut counter = Gcra::standing(policy, self.rotations, ends_at, shown.now);
        if let Err(again_at) = counter.take(policy, shown.now) {
            return Presented::Limited { again_at };
        }
        let (count, ends_at) = counter.as_window(policy, shown.now);
        (self.rotations, self.rotations_since) = (count, ends_at.minus(policy.refill()));
        self.previous_key = Some(std::mem::replace(&mut self.head_key, shown.key.clone()));
        self.head = self.head.next();
        self.rotated_at = Some(shown.now);
        self.last_seen_at = self.last_seen_at.max(shown.now);
        Presented::Rotated
    }

    /// Whether a refresh token may be exchanged for a fresh access token without rotating: the head, or its
    /// predecessor within the grace, by the same client. Changes nothing.
    pub fn accepts(
        &self,
        generation: Generation,
        fingerprint: Option<&Fingerprint>,
        now: Timestamp,
        policy: &RefreshPolicy,
    ) -> bool {
        self.is_live(now, policy)
            && self.impersonator.is_none()
            && fingerprint == Some(&self.fingerprint)
            && (generation == self.head || self.is_predecessor_in_grace(generation, now, policy))
    }

    /// Whether the session can still be used at `now`.
    pub fn is_live(&self, now: Timestamp, policy: &RefreshPolicy) -> bool {
        self.ended.is_none() && !self.is_expired(now, policy)
    }

    fn is_expired(&self, now: Timestamp, policy: &RefreshPolicy) -> bool {
        let used = self.rotated_at.unwrap_or(self.created_at);
        now >= self.expires_at || now.since(used) >= policy.idle
    }

    fn is_predecessor_in_grace(&self, generation: Generation, now: Timestamp, policy: &RefreshPolicy) -> bool {
        generation.next() == self.head && self.rotated_at.is_some_and(|at| now.since(at) <= policy.grace)
    }

    fn end(&mut self, reason: EndReason) -> Presented {
        self.ended = Some(reason);
        Presented::Ended(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    const POLICY: RefreshPolicy = RefreshPolicy {
        grace: Duration::from_secs(30),
        idle: Duration::from_secs(7 * 86_400),
        rotations: limits::REFRESH,
    };
    const MINE: Fingerprint = Fingerprint([1; 32]);
    const THIEF: Fingerprint = Fingerprint([2; 32]);

    fn key(name: &str) -> KeyId {
        KeyId::parse(name).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn session() -> Session {
        Session {
            id: SessionId::parse("s").unwrap(),
            user_id: UserId::from_random([0; 16]),
            client: ClientKind::Browser,
            fingerprint: MINE,
            head: Generation::FIRST,
            head_key: key("a"),
            previous_key: None,
            rotated_at: None,
            rotations_since: at(0),
            rotations: 0,
            epoch: Epoch::default(),
            role: Role::User,
            amr: vec![Amr::Password],
            auth_time: at(0),
            created_at: at(0),
            last_seen_at: at(0),
            expires_at: at(15 * 86_400),
            checked_at: at(0),
            device: DeviceInfo::default(),
            impersonator: None,
            ended: None,
        }
    }

    fn shown(n: u64, who: Option<Fingerprint>, seconds: i64) -> Presentation {
        Presentation {
            generation: Generation::new(n),
            client: ClientKind::Browser,
            fingerprint: who,
            key: key("b"),
            now: at(seconds),
            policy: POLICY,
        }
    }

    fn show(s: &mut Session, n: u64, who: Fingerprint, seconds: i64) -> Presented {
        s.present(&shown(n, Some(who), seconds))
    }

    #[test]
    fn the_head_rotates_and_its_predecessor_repeats_within_the_grace() {
        let mut s = session();
        assert_eq!(show(&mut s, 1, MINE, 100), Presented::Rotated);
        assert_eq!((s.head, &s.head_key, s.previous_key.clone()), (Generation::new(2), &key("b"), Some(key("a"))));
        assert_eq!(show(&mut s, 1, MINE, 130), Presented::Repeated);
        assert_eq!(s.head, Generation::new(2));
        assert_eq!(show(&mut s, 2, MINE, 131), Presented::Rotated);
    }

    #[test]
    fn an_older_token_ends_the_session_for_good() {
        let mut s = session();
        show(&mut s, 1, MINE, 100);
        assert_eq!(show(&mut s, 1, MINE, 131), Presented::Ended(EndReason::RefreshReused));
        assert_eq!(show(&mut s, 2, MINE, 132), Presented::Ended(EndReason::RefreshReused));
    }

    #[test]
    fn two_rotations_end_the_grace_of_the_first() {
        let mut s = session();
        show(&mut s, 1, MINE, 100);
        show(&mut s, 2, MINE, 101);
        assert_eq!(show(&mut s, 1, MINE, 102), Presented::Ended(EndReason::RefreshReused));
    }

    #[test]
    fn another_or_no_fingerprint_ends_the_session() {
        let mut s = session();
        assert_eq!(show(&mut s, 1, THIEF, 1), Presented::Ended(EndReason::FingerprintMismatch));
        let mut s = session();
        let none = s.present(&shown(1, None, 1));
        assert_eq!(none, Presented::Ended(EndReason::FingerprintMismatch));
    }

    #[test]
    fn an_impersonation_is_never_refreshed() {
        let mut s = Session { impersonator: Some(UserId::from_random([1; 16])), ..session() };
        let before = s.clone();
        assert_eq!(show(&mut s, 1, MINE, 1), Presented::Expired);
        assert!(!s.accepts(Generation::FIRST, Some(&MINE), at(1), &POLICY));
        assert_eq!(s, before);
    }

    #[test]
    fn a_generation_from_the_future_means_the_store_lost_state() {
        assert_eq!(show(&mut session(), 3, MINE, 1), Presented::Ended(EndReason::StoreRolledBack));
    }

    #[test]
    fn another_kind_of_client_gets_nothing_and_breaks_nothing() {
        let mut s = session();
        let native = Presentation { client: ClientKind::Native, ..shown(1, Some(MINE), 1) };
        assert_eq!(s.present(&native), Presented::OtherClientKind);
        assert_eq!(s, session());
    }

    #[test]
    fn rotations_are_limited_and_the_token_stays_good() {
        let mut s = session();
        for n in 1..=30 {
            assert_eq!(show(&mut s, n, MINE, 100), Presented::Rotated);
        }
        assert_eq!(show(&mut s, 31, MINE, 101), Presented::Limited { again_at: at(102) });
        assert_eq!(show(&mut s, 30, MINE, 101), Presented::Repeated);
        assert_eq!(show(&mut s, 31, MINE, 102), Presented::Rotated);
        assert_eq!(show(&mut s, 32, MINE, 103), Presented::Limited { again_at: at(104) }, "one comes back at a time");
        assert_eq!(show(&mut s, 32, MINE, 160), Presented::Rotated);
    }

    #[test]
    fn rotations_under_a_clock_that_was_ahead_hold_nobody_back() {
        let mut s = session();
        for n in 1..=30 {
            assert_eq!(show(&mut s, n, MINE, 7200), Presented::Rotated);
        }
        assert_eq!(
            show(&mut s, 31, MINE, 7195),
            Presented::Limited { again_at: at(7202) },
            "clocks of replicas may differ"
        );
        assert_eq!(show(&mut s, 31, MINE, 100), Presented::Rotated);
    }

    #[test]
    fn idle_and_absolute_ends_are_never_extended() {
        let mut s = session();
        assert_eq!(show(&mut s, 1, MINE, 7 * 86_400), Presented::Expired);
        let (mut n, mut t) = (1, 0);
        let mut s = session();
        while t + 3600 < 15 * 86_400 {
            t += 3600;
            assert_eq!(show(&mut s, n, MINE, t), Presented::Rotated);
            n += 1;
        }
        assert_eq!(show(&mut s, n, MINE, 15 * 86_400), Presented::Expired);
    }

    #[test]
    fn exchanging_for_an_access_token_changes_nothing() {
        let mut s = session();
        show(&mut s, 1, MINE, 100);
        let before = s.clone();
        assert!(s.accepts(Generation::new(2), Some(&MINE), at(200), &POLICY));
        assert!(s.accepts(Generation::new(1), Some(&MINE), at(130), &POLICY));
        assert!(!s.accepts(Generation::new(1), Some(&MINE), at(131), &POLICY));
        assert!(!s.accepts(Generation::new(2), Some(&THIEF), at(200), &POLICY));
        assert!(!s.accepts(Generation::new(3), Some(&MINE), at(200), &POLICY));
        assert_eq!(s, before);
    }

    proptest::proptest! {
        /// Whatever is shown in whatever order, the head never goes back and an ended session never revives.
        #[test]
        fn heads_only_rise_and_ends_are_final(steps in proptest::collection::vec((0u64..6, proptest::bool::ANY, 0i64..100), 1..40)) {
            let mut s = session();
            let mut t = 0;
            for (n, mine, dt) in steps {
                t += dt;
                let (head, ended) = (s.head, s.ended);
                let outcome = show(&mut s, n, if mine { MINE } else { THIEF }, t);
                proptest::prop_assert!(s.head >= head);
                if ended.is_some() {
                    proptest::prop_assert_eq!(s.ended, ended);
                    proptest::prop_assert!(matches!(outcome, Presented::Ended(_)));
                }
                if outcome == Presented::Rotated {
                    proptest::prop_assert_eq!((n, s.head), (head.number(), head.next()));
                }
            }
        }
    }
}
