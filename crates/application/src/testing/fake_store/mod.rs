//! A whole store in memory, transactions and all.

mod accounts;
mod attendance;
mod audit;
mod contacts;
mod factors;
mod logs;
mod outbox;
mod small;
mod social;
mod srp;
mod users;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::OwnedMutexGuard;

pub use accounts::{LinkTokens, Registrations};
pub use attendance::{Attendances, Leases};
pub use audit::Audit;
pub use contacts::Contacts;
pub use factors::{Factors, Failures};
pub use logs::{Logins, Revocations};
pub use outbox::{Messages, OutboxRow};
pub use small::{Budgets, Devices, Keys};
pub use social::Social;
pub use srp::Srp;
pub use users::{UserRow, Users};

use super::lock;
use crate::ports::{
    AttendanceRepository, AuditChain, AuditLog, ContactRepository, DeviceRepository, FactorFailureRepository,
    FactorRepository, GuessBudgets, KeyRepository, LeaseRepository, LinkTokenRepository, LoginHistory, Outbox,
    PasskeyRepository, RegistrationRepository, RevocationLog, SocialRepository, SrpRepository, Store, StoreError, Tx,
    UserRepository,
};

/// Everything a [`FakeStore`] holds, for tests to look at.
#[derive(Clone, Debug, Default)]
pub struct StoreState {
    /// Accounts.
    pub users: Users,
    /// Claims to addresses.
    pub registrations: Registrations,
    /// Mailed single-use tokens.
    pub link_tokens: LinkTokens,
    /// Messages to send, and dead letters.
    pub outbox: Messages,
    /// Security events, and the chain over them.
    pub audit: Audit,
    /// The revocation log.
    pub revocations: Revocations,
    /// Guess counters.
    pub guess_budgets: Budgets,
    /// TOTP credentials, recovery codes and passkeys.
    pub factors: Factors,
    /// Addresses on their way to an account.
    pub contacts: Contacts,
    /// Failures at second factors.
    pub factor_failures: Failures,
    /// SRP credentials.
    pub srp: Srp,
    /// Links to accounts elsewhere.
    pub social: Social,
    /// Attendance.
    pub attendance: Attendances,
    /// Leases.
    pub leases: Leases,
    /// Known devices.
    pub devices: Devices,
    /// Logins.
    pub login_history: Logins,
    /// Keys.
    pub keys: Keys,
}

/// A store in memory. One writer at a time: `begin` waits for the one before it, works on a copy of everything, and
/// `commit` puts the copy in place. Readers see the last commit.
#[derive(Debug)]
pub struct FakeStore {
    committed: Arc<Mutex<StoreState>>,
    writer: Arc<tokio::sync::Mutex<()>>,
    acquire_timeout: Duration,
    refusal: Arc<Mutex<Option<StoreError>>>,
}

impl FakeStore {
    /// An empty store whose `begin` waits at most 5 seconds.
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits at most this long for the writer before.
    pub fn with_acquire_timeout(self, acquire_timeout: Duration) -> Self {
        Self { acquire_timeout, ..self }
    }

    /// A copy of what is committed.
    pub fn state(&self) -> StoreState {
        lock(&self.committed).clone()
    }

    /// Changes what is committed, past every port. For preparing tests.
    pub fn prepare(&self, change: impl FnOnce(&mut StoreState)) {
        change(&mut lock(&self.committed));
    }

    /// From now on opening and committing fail like this; `None` ends it.
    pub fn set_refusal(&self, refusal: Option<StoreError>) {
        *lock(&self.refusal) = refusal;
    }

    fn check(&self) -> Result<(), StoreError> {
        lock(&self.refusal).clone().map_or(Ok(()), Err)
    }

    fn open(&self, writer: Option<OwnedMutexGuard<()>>) -> Box<dyn Tx> {
        Box::new(FakeTx {
            state: self.state(),
            committed: Arc::clone(&self.committed),
            refusal: Arc::clone(&self.refusal),
            writer,
        })
    }
}

impl Default for FakeStore {
    fn default() -> Self {
        Self {
            committed: Arc::default(),
            writer: Arc::default(),
            acquire_timeout: Duration::from_secs(5),
            refusal: Arc::default(),
        }
    }
}

#[async_trait]
impl Store for FakeStore {
    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError> {
        self.check()?;
        let turn = Arc::clone(&self.writer).lock_owned();
        let writer = tokio::time::timeout(self.acquire_timeout, turn)
            .await
            .map_err(|_| StoreError::Unavailable("another transaction is open".to_owned()))?;
        Ok(self.open(Some(writer)))
    }

    async fn read(&self) -> Result<Box<dyn Tx>, StoreError> {
        self.check()?;
        Ok(self.open(None))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.check()
    }
}

/// A transaction: a copy of the state, and the writer's turn unless it only reads.
struct FakeTx {
    state: StoreState,
    committed: Arc<Mutex<StoreState>>,
    refusal: Arc<Mutex<Option<StoreError>>>,
    writer: Option<OwnedMutexGuard<()>>,
}

#[async_trait]
impl Tx for FakeTx {
    fn users(&mut self) -> &mut dyn UserRepository {
        &mut self.state
    }

    fn registrations(&mut self) -> &mut dyn RegistrationRepository {
        &mut self.state.registrations
    }

    fn link_tokens(&mut self) -> &mut dyn LinkTokenRepository {
        &mut self.state.link_tokens
    }

    fn outbox(&mut self) -> &mut dyn Outbox {
        &mut self.state.outbox
    }

    fn audit(&mut self) -> &mut dyn AuditLog {
        &mut self.state.audit
    }

    fn audit_chain(&mut self) -> &mut dyn AuditChain {
        &mut self.state.audit
    }

    fn revocations(&mut self) -> &mut dyn RevocationLog {
        &mut self.state.revocations
    }

    fn guess_budgets(&mut self) -> &mut dyn GuessBudgets {
        &mut self.state.guess_budgets
    }

    fn factors(&mut self) -> &mut dyn FactorRepository {
        &mut self.state.factors
    }

    fn passkeys(&mut self) -> &mut dyn PasskeyRepository {
        &mut self.state.factors
    }

    fn contacts(&mut self) -> &mut dyn ContactRepository {
        &mut self.state.contacts
    }

    fn factor_failures(&mut self) -> &mut dyn FactorFailureRepository {
        &mut self.state.factor_failures
    }

    fn srp(&mut self) -> &mut dyn SrpRepository {
        &mut self.state.srp
    }

    fn social(&mut self) -> &mut dyn SocialRepository {
        &mut self.state.social
    }

    fn attendance(&mut self) -> &mut dyn AttendanceRepository {
        &mut self.state
    }

    fn leases(&mut self) -> &mut dyn LeaseRepository {
        &mut self.state.leases
    }

    fn devices(&mut self) -> &mut dyn DeviceRepository {
        &mut self.state.devices
    }

    fn login_history(&mut self) -> &mut dyn LoginHistory {
        &mut self.state.login_history
    }

    fn keys(&mut self) -> &mut dyn KeyRepository {
        &mut self.state.keys
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        if let Some(error) = lock(&self.refusal).clone() {
            return Err(error);
        }
        // What a reading transaction wrote into its copy is thrown away with it.
        if self.writer.is_some() {
            *lock(&self.committed) = self.state;
        }
        Ok(())
    }
}
