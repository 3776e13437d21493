use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::lock;
use crate::ports::{
    AttendanceRepository, AuditChain, AuditLog, ContactRepository, DeviceRepository, FactorFailureRepository,
    FactorRepository, GuessBudgets, KeyRepository, LeaseRepository, LinkTokenRepository, LoginHistory,
    MockAttendanceRepository, MockAuditChain, MockAuditLog, MockContactRepository, MockDeviceRepository,
    MockFactorFailureRepository, MockFactorRepository, MockGuessBudgets, MockKeyRepository, MockLeaseRepository,
    MockLinkTokenRepository, MockLoginHistory, MockOutbox, MockPasskeyRepository, MockRegistrationRepository,
    MockRevocationLog, MockSocialRepository, MockSrpRepository, MockUserRepository, Outbox, PasskeyRepository,
    RegistrationRepository, RevocationLog, SocialRepository, SrpRepository, Store, StoreError, Tx, UserRepository,
};

#[derive(Debug, Default)]
struct Facts {
    begun: AtomicBool,
    read: AtomicBool,
    committed: AtomicBool,
    dropped: AtomicBool,
}

/// What became of a [`MockTx`].
#[derive(Clone, Debug, Default)]
pub struct Outcome(Arc<Facts>);

impl Outcome {
    /// It was opened by `Store::begin`.
    pub fn begun(&self) -> bool {
        self.0.begun.load(Ordering::SeqCst)
    }

    /// It was opened by `Store::read`.
    pub fn read(&self) -> bool {
        self.0.read.load(Ordering::SeqCst)
    }

    /// It was committed, and the commit succeeded.
    pub fn committed(&self) -> bool {
        self.0.committed.load(Ordering::SeqCst)
    }

    /// It was opened and dropped without a successful commit.
    pub fn rolled_back(&self) -> bool {
        (self.begun() || self.read()) && self.0.dropped.load(Ordering::SeqCst) && !self.committed()
    }

    /// Nobody opened it.
    pub fn unused(&self) -> bool {
        !self.begun() && !self.read()
    }
}

/// A transaction with one mock per repository. Set expectations on the fields, then hand it to [`MockStore::with`].
///
/// ```
/// use keystead_application::account::ReadProfile;
/// use keystead_application::testing::{MockStore, MockTx, a_user};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let mut tx = MockTx::new();
/// tx.users.expect_get().times(1).return_once(|_| Ok(Some(a_user())));
/// let (store, outcome) = MockStore::with(tx);
/// assert_eq!(ReadProfile::new(store).run(a_user().id).await, Ok(a_user()));
/// assert!(outcome.read() && !outcome.committed());
/// # });
/// ```
#[derive(Default)]
pub struct MockTx {
    /// Accounts and their passwords.
    pub users: MockUserRepository,
    /// Claims to addresses.
    pub registrations: MockRegistrationRepository,
    /// Mailed single-use tokens.
    pub link_tokens: MockLinkTokenRepository,
    /// Messages to send.
    pub outbox: MockOutbox,
    /// Security events.
    pub audit: MockAuditLog,
    /// The chain over them.
    pub audit_chain: MockAuditChain,
    /// What ended before its time.
    pub revocations: MockRevocationLog,
    /// Counters of guesses.
    pub guess_budgets: MockGuessBudgets,
    /// TOTP credentials and recovery codes.
    pub factors: MockFactorRepository,
    /// Passkeys.
    pub passkeys: MockPasskeyRepository,
    /// Addresses on their way to an account.
    pub contacts: MockContactRepository,
    /// Failures at second factors.
    pub factor_failures: MockFactorFailureRepository,
    /// SRP credentials.
    pub srp: MockSrpRepository,
    /// Links to accounts elsewhere.
    pub social: MockSocialRepository,
    /// Attendance.
    pub attendance: MockAttendanceRepository,
    /// Leases.
    pub leases: MockLeaseRepository,
    /// Browsers a user signed in with before.
    pub devices: MockDeviceRepository,
    /// Logins, for their owner to read.
    pub login_history: MockLoginHistory,
    /// Signing and server keys, sealed.
    pub keys: MockKeyRepository,
    /// What `commit` answers instead of success.
    pub commit_error: Option<StoreError>,
    outcome: Outcome,
}

impl MockTx {
    /// A transaction that expects nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same transaction, whose `commit` fails like this.
    #[must_use]
    pub fn failing(mut self, error: StoreError) -> Self {
        self.commit_error = Some(error);
        self
    }

    /// What becomes of it.
    pub fn outcome(&self) -> Outcome {
        self.outcome.clone()
    }
}

impl Drop for MockTx {
    fn drop(&mut self) {
        self.outcome.0.dropped.store(true, Ordering::SeqCst);
    }
}

#[async_trait]
impl Tx for MockTx {
    fn users(&mut self) -> &mut dyn UserRepository {
        &mut self.users
    }

    fn registrations(&mut self) -> &mut dyn RegistrationRepository {
        &mut self.registrations
    }

    fn link_tokens(&mut self) -> &mut dyn LinkTokenRepository {
        &mut self.link_tokens
    }

    fn outbox(&mut self) -> &mut dyn Outbox {
        &mut self.outbox
    }

    fn audit(&mut self) -> &mut dyn AuditLog {
        &mut self.audit
    }

    fn audit_chain(&mut self) -> &mut dyn AuditChain {
        &mut self.audit_chain
    }

    fn revocations(&mut self) -> &mut dyn RevocationLog {
        &mut self.revocations
    }

    fn guess_budgets(&mut self) -> &mut dyn GuessBudgets {
        &mut self.guess_budgets
    }

    fn factors(&mut self) -> &mut dyn FactorRepository {
        &mut self.factors
    }

    fn passkeys(&mut self) -> &mut dyn PasskeyRepository {
        &mut self.passkeys
    }

    fn contacts(&mut self) -> &mut dyn ContactRepository {
        &mut self.contacts
    }

    fn factor_failures(&mut self) -> &mut dyn FactorFailureRepository {
        &mut self.factor_failures
    }

    fn srp(&mut self) -> &mut dyn SrpRepository {
        &mut self.srp
    }

    fn social(&mut self) -> &mut dyn SocialRepository {
        &mut self.social
    }

    fn attendance(&mut self) -> &mut dyn AttendanceRepository {
        &mut self.attendance
    }

    fn leases(&mut self) -> &mut dyn LeaseRepository {
        &mut self.leases
    }

    fn devices(&mut self) -> &mut dyn DeviceRepository {
        &mut self.devices
    }

    fn login_history(&mut self) -> &mut dyn LoginHistory {
        &mut self.login_history
    }

    fn keys(&mut self) -> &mut dyn KeyRepository {
        &mut self.keys
    }

    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        if let Some(error) = self.commit_error.take() {
            return Err(error);
        }
        self.outcome.0.committed.store(true, Ordering::SeqCst);
        Ok(())
    }
}

/// Hands out prepared transactions in order, to `begin` and `read` alike; [`Outcome`] tells which of the two it was.
#[derive(Default)]
pub struct MockStore {
    prepared: Mutex<VecDeque<MockTx>>,
    unavailable: bool,
}

impl MockStore {
    /// A store for a use-case that opens one transaction.
    pub fn with(tx: MockTx) -> (Arc<Self>, Outcome) {
        let outcome = tx.outcome();
        (Self::with_all([tx]), outcome)
    }

    /// A store for a use-case that opens several transactions; take each one's [`MockTx::outcome`] before.
    pub fn with_all(transactions: impl IntoIterator<Item = MockTx>) -> Arc<Self> {
        Arc::new(Self { prepared: Mutex::new(transactions.into_iter().collect()), unavailable: false })
    }

    /// A store for a use-case that must open no transaction.
    pub fn untouched() -> Arc<Self> {
        Self::with_all([])
    }

    /// A store that opens no transaction and says so.
    pub fn unavailable() -> Arc<Self> {
        Arc::new(Self { unavailable: true, ..Self::default() })
    }

    fn next(&self, opened_by: &str) -> Result<MockTx, StoreError> {
        if self.unavailable {
            return Err(StoreError::Unavailable("the test says so".to_owned()));
        }
        let next = lock(&self.prepared).pop_front();
        Ok(next.unwrap_or_else(|| panic!("Store::{opened_by} was called, but no prepared MockTx is left")))
    }
}

#[async_trait]
impl Store for MockStore {
    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError> {
        let tx = self.next("begin")?;
        tx.outcome.0.begun.store(true, Ordering::SeqCst);
        Ok(Box::new(tx))
    }

    async fn read(&self) -> Result<Box<dyn Tx>, StoreError> {
        let tx = self.next("read")?;
        tx.outcome.0.read.store(true, Ordering::SeqCst);
        Ok(Box::new(tx))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        if self.unavailable { Err(StoreError::Unavailable("the test says so".to_owned())) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{a_user, user_id};

    #[tokio::test]
    async fn an_outcome_tells_commit_from_rollback() {
        let mut tx = MockTx::new();
        tx.users.expect_get().return_once(|_| Ok(Some(a_user())));
        let (store, outcome) = MockStore::with(tx);
        assert!(outcome.unused());
        let mut tx = store.begin().await.unwrap();
        assert_eq!(tx.users().get(user_id(1)).await.unwrap(), Some(a_user()));
        assert!(outcome.begun() && !outcome.committed() && !outcome.rolled_back());
        tx.commit().await.unwrap();
        assert!(outcome.committed() && !outcome.rolled_back());

        let (store, outcome) = MockStore::with(MockTx::new());
        drop(store.read().await.unwrap());
        assert!(outcome.read() && !outcome.begun() && outcome.rolled_back());
    }

    #[tokio::test]
    async fn a_failed_commit_is_no_commit() {
        let failing = MockTx::new().failing(StoreError::Unavailable("disk".into()));
        let (store, outcome) = MockStore::with(failing);
        assert!(store.begin().await.unwrap().commit().await.is_err());
        assert!(outcome.rolled_back());
    }

    #[tokio::test]
    #[should_panic(expected = "no prepared MockTx is left")]
    async fn running_out_of_transactions_says_so() {
        let _ = MockStore::untouched().begin().await;
    }
}
