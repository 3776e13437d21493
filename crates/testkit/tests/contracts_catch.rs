//! A contract that no implementation can break proves nothing: here broken ones are caught.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "the broken implementations are part of the test")]

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use keystead_application::ports::{
    AttendanceRepository, AuditChain, AuditLog, ContactRepository, DeviceRepository, EphemeralError,
    FactorFailureRepository, FactorRepository, GuessBudgets, KeyRepository, LeaseRepository, LinkTokenRepository,
    LoginHistory, Outbox, PasskeyRepository, RateDecision, RateHit, RateLimiter, RegistrationRepository, RevocationLog,
    SocialRepository, SrpRepository, Store, StoreError, Tx, UserRepository,
};
use keystead_application::testing::FakeStore;
use keystead_domain::Timestamp;
use keystead_domain::limits::Gcra;
use keystead_testkit::contracts::{
    rate_limiter, store_administration, store_audit_chain, store_budgets, store_contacts, store_factors,
    store_failures, store_link_tokens, store_logs, store_outbox, store_passkeys, store_registrations,
    store_transactions, store_users,
};
use tokio::task::yield_now;

async fn is_caught(contract: impl Future<Output = ()> + Send + 'static) -> bool {
    tokio::spawn(contract).await.is_err_and(|error| error.is_panic())
}

/// Time for every other racer to look at the same state: what makes a broken implementation fail surely, not sometimes.
async fn let_others_run() {
    for _ in 0..100 {
        yield_now().await;
    }
}

/// A store whose writers do not wait for one another: the last commit wins. Nor does it end what was not committed, when
/// told so.
#[derive(Default)]
struct Unserialised {
    committed: Arc<FakeStore>,
    commits_when_dropped: bool,
}

struct UnserialisedTx {
    committed: Arc<FakeStore>,
    own: FakeStore,
    tx: Option<Box<dyn Tx>>,
    commits_when_dropped: bool,
}

impl UnserialisedTx {
    fn tx(&mut self) -> &mut dyn Tx {
        self.tx.as_mut().expect("open").as_mut()
    }

    /// The fake commits without waiting for anything, so one poll is all it takes.
    fn finish(&mut self) {
        let mut commit = self.tx.take().expect("open").commit();
        let polled = commit.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Ok(()))));
        self.committed.prepare(|state| *state = self.own.state());
    }
}

impl Drop for UnserialisedTx {
    fn drop(&mut self) {
        if self.commits_when_dropped && self.tx.is_some() {
            self.finish();
        }
    }
}

#[async_trait]
impl Store for Unserialised {
    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError> {
        let own = FakeStore::new();
        own.prepare(|state| *state = self.committed.state());
        let_others_run().await;
        let tx = Some(own.begin().await?);
        let (committed, commits_when_dropped) = (Arc::clone(&self.committed), self.commits_when_dropped);
        Ok(Box::new(UnserialisedTx { committed, own, tx, commits_when_dropped }))
    }

    async fn read(&self) -> Result<Box<dyn Tx>, StoreError> {
        self.begin().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl Tx for UnserialisedTx {
    fn users(&mut self) -> &mut dyn UserRepository {
        self.tx().users()
    }
    fn registrations(&mut self) -> &mut dyn RegistrationRepository {
        self.tx().registrations()
    }
    fn link_tokens(&mut self) -> &mut dyn LinkTokenRepository {
        self.tx().link_tokens()
    }
    fn outbox(&mut self) -> &mut dyn Outbox {
        self.tx().outbox()
    }
    fn audit(&mut self) -> &mut dyn AuditLog {
        self.tx().audit()
    }
    fn audit_chain(&mut self) -> &mut dyn AuditChain {
        self.tx().audit_chain()
    }
    fn revocations(&mut self) -> &mut dyn RevocationLog {
        self.tx().revocations()
    }
    fn guess_budgets(&mut self) -> &mut dyn GuessBudgets {
        self.tx().guess_budgets()
    }
    fn factors(&mut self) -> &mut dyn FactorRepository {
        self.tx().factors()
    }
    fn passkeys(&mut self) -> &mut dyn PasskeyRepository {
        self.tx().passkeys()
    }
    fn contacts(&mut self) -> &mut dyn ContactRepository {
        self.tx().contacts()
    }
    fn factor_failures(&mut self) -> &mut dyn FactorFailureRepository {
        self.tx().factor_failures()
    }
    fn srp(&mut self) -> &mut dyn SrpRepository {
        self.tx().srp()
    }
    fn social(&mut self) -> &mut dyn SocialRepository {
        self.tx().social()
    }
    fn attendance(&mut self) -> &mut dyn AttendanceRepository {
        self.tx().attendance()
    }
    fn leases(&mut self) -> &mut dyn LeaseRepository {
        self.tx().leases()
    }
    fn devices(&mut self) -> &mut dyn DeviceRepository {
        self.tx().devices()
    }
    fn login_history(&mut self) -> &mut dyn LoginHistory {
        self.tx().login_history()
    }
    fn keys(&mut self) -> &mut dyn KeyRepository {
        self.tx().keys()
    }

    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        self.finish();
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_loses_updates_is_caught_by_every_race() {
    let store = || -> Arc<dyn Store> { Arc::new(Unserialised::default()) };
    assert!(is_caught(store_users::parallel_bumps_give_distinct_epochs(store())).await);
    assert!(is_caught(store_users::of_parallel_inserts_of_one_address_one_wins(store())).await);
    assert!(is_caught(store_administration::who_asks_for_other_administrators_holds_others_back(store())).await);
    assert!(is_caught(store_administration::administrators_who_close_each_other_leave_one(store())).await);
    assert!(is_caught(store_audit_chain::who_asks_for_the_head_holds_others_back(store())).await);
    assert!(is_caught(store_audit_chain::parallel_writers_and_linkers_make_one_chain(store())).await);
    assert!(is_caught(store_registrations::a_claim_is_consumed_once(store())).await);
    assert!(is_caught(store_registrations::of_several_claims_to_one_address_one_is_consumed(store())).await);
    assert!(is_caught(store_link_tokens::a_token_begins_once(store())).await);
    assert!(is_caught(store_link_tokens::a_token_is_consumed_once(store())).await);
    assert!(is_caught(store_link_tokens::a_begun_token_is_consumed_once(store())).await);
    assert!(is_caught(store_link_tokens::a_factor_is_proved_once_for_a_begun_token(store())).await);
    assert!(is_caught(store_link_tokens::a_begun_token_is_rebound_once(store())).await);
    assert!(is_caught(store_link_tokens::begin_and_consume_exclude_each_other(store())).await);
    assert!(is_caught(store_outbox::workers_never_share_a_message(store())).await);
    assert!(is_caught(store_outbox::a_lapsed_lease_gives_the_message_to_one_worker(store())).await);
    assert!(is_caught(store_budgets::parallel_guesses_never_exceed_the_limit(store())).await);
    assert!(is_caught(store_factors::a_recovery_code_is_consumed_once(store())).await);
    assert!(is_caught(store_passkeys::of_parallel_registrations_of_one_credential_one_wins(store())).await);
    assert!(is_caught(store_contacts::an_address_is_its_owners_and_is_taken_away_once(store())).await);
    assert!(is_caught(store_contacts::a_link_that_undoes_is_consumed_once(store())).await);
    assert!(is_caught(store_failures::parallel_tries_are_all_counted(store())).await);
    assert!(is_caught(store_logs::of_parallel_revocations_of_one_target_one_is_first(store())).await);
    assert!(is_caught(store_transactions::a_read_cannot_write(store())).await);
    assert!(is_caught(store_transactions::begin_gives_up_when_no_transaction_can_be_had(store())).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_keeps_what_was_not_committed_is_caught() {
    let store = || -> Arc<dyn Store> { Arc::new(Unserialised { commits_when_dropped: true, ..Default::default() }) };
    assert!(is_caught(store_transactions::a_dropped_transaction_rolls_back(store())).await);
    assert!(is_caught(store_transactions::a_transaction_cancelled_anywhere_rolls_back_whole(store())).await);
    assert!(is_caught(store_administration::a_rolled_back_deletion_deletes_nothing(store())).await);
    assert!(is_caught(store_audit_chain::a_rolled_back_link_is_none(store())).await);
    assert!(is_caught(store_logs::a_rolled_back_end_of_everybody_is_none(store())).await);
    assert!(is_caught(store_registrations::a_rolled_back_consume_leaves_the_claim(store())).await);
    assert!(is_caught(store_outbox::a_rolled_back_message_is_not_sent(store())).await);
    assert!(is_caught(store_factors::a_rolled_back_consume_leaves_the_code(store())).await);
    assert!(is_caught(store_failures::a_rolled_back_count_is_none(store())).await);
    assert!(is_caught(store_budgets::a_rolled_back_guess_is_not_counted(store())).await);
}

/// A limiter that looks, then counts: refusals, too, and under the same counter whatever the policy.
#[derive(Default)]
struct LookThenCount(Mutex<HashMap<String, Gcra>>);

#[async_trait]
impl RateLimiter for LookThenCount {
    async fn hit(&self, hits: &[RateHit], now: Timestamp) -> Result<Vec<RateDecision>, EphemeralError> {
        let mut decisions = Vec::new();
        for RateHit { key, policy } in hits {
            let mut counter = self.0.lock().unwrap().get(key).copied().unwrap_or_default();
            let_others_run().await;
            let allowed = counter.take(policy, now).is_ok();
            if !allowed {
                counter = Gcra::new(counter.free_at().map(|free_at| free_at.plus(policy.interval())));
            }
            self.0.lock().unwrap().insert(key.clone(), counter);
            decisions.push(RateDecision::of(*policy, allowed, counter, now));
        }
        Ok(decisions)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limiter_that_looks_before_it_counts_is_caught() {
    let limiter = || -> Arc<dyn RateLimiter> { Arc::new(LookThenCount::default()) };
    assert!(is_caught(rate_limiter::of_parallel_hits_exactly_the_limit_is_allowed(limiter())).await);
    assert!(is_caught(rate_limiter::refusals_change_nothing(limiter())).await);
    assert!(is_caught(rate_limiter::one_comes_back_per_interval_at_its_microsecond(limiter())).await);
    assert!(is_caught(rate_limiter::it_decides_as_the_domain_does(limiter())).await);
    assert!(is_caught(rate_limiter::keys_and_policies_do_not_mix(limiter())).await);
    let two = rate_limiter::two_handles_share_a_counter(limiter(), limiter());
    assert!(is_caught(two).await, "replicas that count each for itself");
}

/// A limiter of fixed windows that begin with the first hit, which tells the truth about when they end.
#[derive(Default)]
struct FixedWindows(Mutex<HashMap<String, (u32, Timestamp)>>);

#[async_trait]
impl RateLimiter for FixedWindows {
    async fn hit(&self, hits: &[RateHit], now: Timestamp) -> Result<Vec<RateDecision>, EphemeralError> {
        let mut windows = self.0.lock().unwrap();
        let count = |hit: &RateHit| {
            let fresh = (0, now.plus(hit.policy.window));
            let window = windows.entry(hit.key.clone()).or_insert(fresh);
            if now >= window.1 {
                *window = fresh;
            }
            let allowed = window.0 < hit.policy.limit;
            window.0 += u32::from(allowed);
            RateDecision { policy: hit.policy, allowed, count: window.0, resets_at: window.1 }
        };
        Ok(hits.iter().map(count).collect())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_burst_at_the_edge_of_a_window_is_caught() {
    let limiter = || -> Arc<dyn RateLimiter> { Arc::new(FixedWindows::default()) };
    assert!(is_caught(rate_limiter::the_edge_of_a_window_gives_no_second_burst(limiter())).await);
    assert!(is_caught(rate_limiter::one_comes_back_per_interval_at_its_microsecond(limiter())).await);
    assert!(is_caught(rate_limiter::it_decides_as_the_domain_does(limiter())).await);
}

/// A limiter who takes a window that ends later than one which begins now for one that begins now.
#[derive(Clone, Default)]
struct PullingBack(Arc<Mutex<HashMap<String, (u32, Timestamp)>>>);

#[async_trait]
impl RateLimiter for PullingBack {
    async fn hit(&self, hits: &[RateHit], now: Timestamp) -> Result<Vec<RateDecision>, EphemeralError> {
        let mut windows = self.0.lock().unwrap();
        let count = |RateHit { key, policy }: &RateHit| {
            let pulled_back = |(count, ends_at): &(u32, Timestamp)| {
                Gcra::of_window(policy, *count, (*ends_at).min(now.plus(policy.refill())))
            };
            let mut counter = windows.get(key).map(pulled_back).unwrap_or_default();
            let allowed = counter.take(policy, now).is_ok();
            if allowed {
                windows.insert(key.clone(), counter.as_window(policy, now));
            }
            RateDecision::of(*policy, allowed, counter, now)
        };
        Ok(hits.iter().map(count).collect())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limiter_that_pulls_windows_back_to_its_clock_is_caught() {
    let limiter = || -> Arc<dyn RateLimiter> { Arc::new(PullingBack::default()) };
    let shared = PullingBack::default();
    let (one, other) = (Arc::new(shared.clone()), Arc::new(shared));
    assert!(is_caught(rate_limiter::two_handles_whose_clocks_differ_share_a_counter(one, other)).await);
    assert!(is_caught(rate_limiter::a_counter_of_a_longer_policy_holds_nobody_back(limiter())).await);
    assert!(is_caught(rate_limiter::only_a_window_that_no_tolerated_clock_explains_is_forgotten(limiter())).await);
}
