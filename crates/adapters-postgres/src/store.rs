//! Transactions side by side, each on a connection of its own.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deadpool::managed::{Object, PoolError, TimeoutType};
use diesel::QueryResult;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use keystead_adapters_sql::schema::users;
use keystead_adapters_sql::store_error;
use keystead_adapters_sql::types::Uid;
use keystead_application::ports::{
    AttendanceRepository, AuditChain, AuditLog, ContactRepository, DeviceRepository, FactorFailureRepository,
    FactorRepository, GuessBudgets, KeyRepository, LeaseRepository, LinkTokenRepository, LoginHistory, Outbox,
    PasskeyRepository, RegistrationRepository, RevocationLog, SocialRepository, SrpRepository, Store, StoreError, Tx,
    UserRepository,
};
use keystead_domain::account::UserId;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout, timeout_at};

use crate::connection::{Lease, Pool};
use crate::runtime::OwnRuntime;

/// A transaction in which nothing is said for this long is ended by PostgreSQL: its process has stopped, or worse.
const IDLE_LIMIT: Duration = Duration::from_secs(5);
/// Where a statement that may lose against a uniqueness rule goes back to.
const MARK: &str = "SAVEPOINT keystead";
const BACK_TO_MARK: &str = "ROLLBACK TO SAVEPOINT keystead";

/// PostgreSQL's messages when a statement that was prepared on this connection can no longer be used: a table it reads
/// was changed, or a pooler gave us another session.
const STALE: [&str; 2] = ["cached plan must not change", "prepared statement"];

/// What the store and its transactions share.
pub(crate) struct Shared {
    /// Before the runtime, so that connections are closed while it still runs.
    pub(crate) pool: Pool,
    _runtime: OwnRuntime,
    handle: Handle,
    acquire_timeout: Duration,
    /// How long a request to PostgreSQL may stay without any answer.
    answer_limit: Duration,
    begin: String,
    begin_reading: String,
}

impl Shared {
    pub(crate) fn new(
        pool: Pool,
        runtime: OwnRuntime,
        handle: Handle,
        (acquire_timeout, statement_timeout, answer_limit): (Duration, Duration, Duration),
    ) -> Self {
        // In the transaction and not in the session: a pooler may give each transaction another session.
        let limits = format!(
            "SET LOCAL statement_timeout = {0}; SET LOCAL lock_timeout = {0}; \
             SET LOCAL idle_in_transaction_session_timeout = {1}",
            statement_timeout.as_millis().max(1),
            IDLE_LIMIT.as_millis(),
        );
        Self {
            pool,
            _runtime: runtime,
            handle,
            acquire_timeout,
            answer_limit,
            begin: format!("BEGIN ISOLATION LEVEL READ COMMITTED; {limits}"),
            begin_reading: format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {limits}"),
        }
    }
}

/// The [`Store`] in PostgreSQL. Cheap to clone.
#[derive(Clone)]
pub struct PgStore {
    shared: Arc<Shared>,
}

impl PgStore {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Opens a transaction within the acquire time-out.
    pub(crate) async fn open(&self, access: Access) -> Result<PgTx, StoreError> {
        let deadline = Instant::now() + self.shared.acquire_timeout;
        let late = || StoreError::Unavailable("the database did not answer in time".to_owned());
        loop {
            let lease = timeout_at(deadline, self.shared.pool.get()).await.map_err(|_| late())?.map_err(pool_error)?;
            // Made before its BEGIN is sent, so that a call cancelled from here on rolls back.
            let mut tx = PgTx::new(lease, access, Arc::clone(&self.shared));
            match timeout_at(deadline, tx.begin()).await.map_err(|_| late())? {
                // A connection that broke while it was idle: nothing was asked on it yet, so another may be.
                Err(_) if tx.is_cut() && Instant::now() < deadline => {}
                begun => return begun.map(|()| tx),
            }
        }
    }
}

fn pool_error(error: PoolError<String>) -> StoreError {
    StoreError::Unavailable(match error {
        PoolError::Timeout(TimeoutType::Wait) => "no connection became free in time".to_owned(),
        PoolError::Timeout(_) => "the database did not answer in time".to_owned(),
        PoolError::Backend(reason) => reason,
        PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
            "the store is closed".to_owned()
        }
    })
}

#[async_trait]
impl Store for PgStore {
    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError> {
        Ok(Box::new(self.open(Access::Write).await?))
    }

    async fn read(&self) -> Result<Box<dyn Tx>, StoreError> {
        Ok(Box::new(self.open(Access::Read).await?))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let mut tx = self.open(Access::Read).await?;
        // Touches a table of ours, which `SELECT 1` would not.
        let row = users::table.select(users::id).first::<Uid>(tx.connection()?).await.optional();
        tx.check(row).map(drop)
    }
}

/// What a transaction may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everything; it sees what others commit, statement by statement.
    Write,
    /// Reading one state; PostgreSQL refuses the rest.
    Read,
}

/// The transaction the repositories work in.
pub(crate) type Transaction = PgTx;

/// One open transaction in PostgreSQL, and every repository in it.
///
/// ```text
/// Open ── statement sent ──> Busy ── answered ──> Open ── COMMIT answered ──> Committed
///                              └── failed, or its caller went away ──> nothing more runs
/// ```
/// After a failed statement PostgreSQL refuses all but a rollback, and answers a `COMMIT` with success and a rollback.
/// So nothing may run, and above all not commit, after a failure, nor after a call that was dropped before its answer.
pub struct PgTx {
    lease: Option<Lease>,
    access: Access,
    state: State,
    /// The user this transaction holds.
    held: Option<UserId>,
    /// The connection must not be used again.
    unfit: bool,
    shared: Arc<Shared>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Busy,
    Failed,
    Committed,
}

impl PgTx {
    fn new(lease: Lease, access: Access, shared: Arc<Shared>) -> Self {
        Self { lease: Some(lease), access, state: State::Open, held: None, unfit: false, shared }
    }

    async fn begin(&mut self) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        let sql = if self.access == Access::Write { &shared.begin } else { &shared.begin_reading };
        let begun = self.connection()?.batch_execute(sql).await;
        self.check(begun)
    }

    /// The connection, for one statement whose result goes to [`Self::check`].
    pub(crate) fn connection(&mut self) -> Result<&mut AsyncPgConnection, StoreError> {
        match (self.state, &mut self.lease) {
            (State::Open, Some(lease)) => {
                self.state = State::Busy;
                Ok(&mut lease.connection)
            }
            _ => Err(StoreError::Unavailable("an earlier statement ended the transaction".to_owned())),
        }
    }

    /// Turns a statement's error into the port's, and remembers whether the transaction outlived it.
    pub(crate) fn check<T>(&mut self, result: QueryResult<T>) -> Result<T, StoreError> {
        match result {
            Ok(value) => {
                self.state = State::Open;
                Ok(value)
            }
            Err(error) => {
                // Anything else failed on this side, after or before the statement.
                self.state = if matches!(error, Error::DatabaseError(..)) { State::Failed } else { State::Open };
                self.unfit |= self.makes_unfit(&error);
                Err(self.explain(error))
            }
        }
    }

    /// Whether the next one would fail alike on this connection.
    fn makes_unfit(&self, error: &Error) -> bool {
        match error {
            // A server that became a standby keeps its connections: the next one must go to the new primary.
            Error::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _) => self.writes(),
            Error::DatabaseError(_, information) => STALE.iter().any(|text| information.message().contains(text)),
            _ => false,
        }
    }

    fn explain(&self, error: Error) -> StoreError {
        let lost = matches!(error, Error::DatabaseError(DatabaseErrorKind::UnableToSendCommand, _));
        match self.lease.as_ref().and_then(|lease| lease.end()) {
            Some(reason) if lost => StoreError::Unavailable(reason.to_owned()),
            _ => store_error(error),
        }
    }

    /// Before a statement that may lose against a uniqueness rule: such a loss must not end the transaction.
    pub(crate) async fn mark(&mut self) -> Result<(), StoreError> {
        let marked = self.connection()?.batch_execute(MARK).await;
        self.check(marked)
    }

    /// [`Self::check`] of the statement after [`Self::mark`].
    pub(crate) async fn check_marked<T>(&mut self, result: QueryResult<T>) -> Result<T, StoreError> {
        let Err(error @ Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) = result else {
            return self.check(result);
        };
        self.state = State::Open;
        let back = self.connection()?.batch_execute(BACK_TO_MARK).await;
        self.check(back)?;
        Err(store_error(error))
    }

    /// Whether this transaction may write.
    pub(crate) fn writes(&self) -> bool {
        self.access == Access::Write
    }

    /// Whether this transaction holds this user.
    pub(crate) fn holds(&self, user: UserId) -> bool {
        self.held == Some(user)
    }

    /// Whether this transaction holds any user.
    pub(crate) fn holds_a_user(&self) -> bool {
        self.held.is_some()
    }

    /// This user is held from now on.
    pub(crate) fn note_held(&mut self, user: UserId) {
        self.held = Some(user);
    }

    /// Whether the connection ended.
    fn is_cut(&self) -> bool {
        self.lease.as_ref().is_none_or(|lease| lease.end().is_some())
    }
}

impl Drop for PgTx {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        if self.state == State::Committed {
            return;
        }
        let mut abandoned = Abandoned(Some(lease));
        if !self.unfit && !abandoned.is_cut() {
            let limit = self.shared.answer_limit;
            self.shared.handle.spawn(async move { abandoned.roll_back(limit).await });
        }
    }
}

/// A connection with an open transaction that nobody wants any more. Closed, unless it could be rolled back.
struct Abandoned(Option<Lease>);

impl Abandoned {
    fn is_cut(&self) -> bool {
        self.0.as_ref().is_none_or(|lease| lease.end().is_some())
    }

    /// Sent behind whatever a dropped call left running: when it is answered, that is over too.
    async fn roll_back(&mut self, limit: Duration) {
        let Some(lease) = &mut self.0 else { return };
        match timeout(limit, lease.connection.batch_execute("ROLLBACK")).await {
            Ok(Ok(())) => drop(self.0.take()),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a transaction could not be rolled back: its connection is closed");
            }
            Err(_) => tracing::debug!("a rollback was not answered in time: its connection is closed"),
        }
    }
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        if let Some(lease) = self.0.take() {
            drop(Object::take(lease));
        }
    }
}

#[async_trait]
impl Tx for PgTx {
    fn users(&mut self) -> &mut dyn UserRepository {
        self
    }

    fn registrations(&mut self) -> &mut dyn RegistrationRepository {
        self
    }

    fn link_tokens(&mut self) -> &mut dyn LinkTokenRepository {
        self
    }

    fn outbox(&mut self) -> &mut dyn Outbox {
        self
    }

    fn audit(&mut self) -> &mut dyn AuditLog {
        self
    }

    fn audit_chain(&mut self) -> &mut dyn AuditChain {
        self
    }

    fn revocations(&mut self) -> &mut dyn RevocationLog {
        self
    }

    fn guess_budgets(&mut self) -> &mut dyn GuessBudgets {
        self
    }

    fn factors(&mut self) -> &mut dyn FactorRepository {
        self
    }

    fn passkeys(&mut self) -> &mut dyn PasskeyRepository {
        self
    }

    fn contacts(&mut self) -> &mut dyn ContactRepository {
        self
    }

    fn factor_failures(&mut self) -> &mut dyn FactorFailureRepository {
        self
    }

    fn srp(&mut self) -> &mut dyn SrpRepository {
        self
    }

    fn social(&mut self) -> &mut dyn SocialRepository {
        self
    }

    fn attendance(&mut self) -> &mut dyn AttendanceRepository {
        self
    }

    fn leases(&mut self) -> &mut dyn LeaseRepository {
        self
    }

    fn devices(&mut self) -> &mut dyn DeviceRepository {
        self
    }

    fn login_history(&mut self) -> &mut dyn LoginHistory {
        self
    }

    fn keys(&mut self) -> &mut dyn KeyRepository {
        self
    }

    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        let done = self.connection()?.batch_execute("COMMIT").await;
        self.check(done)?;
        self.state = State::Committed;
        Ok(())
    }
}
