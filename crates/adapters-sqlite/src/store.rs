//! One open transaction at a time that writes, a few that read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use diesel::QueryResult;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::schema::users;
use keystead_adapters_sql::types::Uid;
use keystead_adapters_sql::{is_statement_error, store_error};
use keystead_application::ports::{
    AttendanceRepository, AuditChain, AuditLog, ContactRepository, DeviceRepository, FactorFailureRepository,
    FactorRepository, GuessBudgets, KeyRepository, LeaseRepository, LinkTokenRepository, LoginHistory, Outbox,
    PasskeyRepository, RegistrationRepository, RevocationLog, SocialRepository, SrpRepository, Store, StoreError, Tx,
    UserRepository,
};

use crate::connection::{Connection, Lease, Pool, begin_immediate, roll_back};

/// The embedded [`Store`]. Cheap to clone.
#[derive(Clone)]
pub struct SqliteStore {
    writer: Arc<Pool>,
    readers: Arc<Pool>,
}

impl SqliteStore {
    pub(crate) fn new(writer: Arc<Pool>, readers: Arc<Pool>) -> Self {
        Self { writer, readers }
    }

    async fn read_tx(&self) -> Result<SqliteTx, StoreError> {
        let mut tx = SqliteTx::new(self.readers.acquire(self.readers.deadline()).await?);
        let begun = tx.lease.connection()?.spawn_blocking(|connection| connection.batch_execute("BEGIN DEFERRED"));
        begun.await.map_err(store_error)?;
        Ok(tx)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError> {
        let deadline = self.writer.deadline();
        // Made before its BEGIN is sent, so that a call cancelled from here on rolls back.
        let mut tx = SqliteTx::new(self.writer.acquire(deadline).await?);
        let abandoned = Arc::clone(&tx.abandoned);
        let begun =
            tx.lease.connection()?.spawn_blocking(move |connection| begin_immediate(connection, deadline, &abandoned));
        begun.await.map_err(store_error)?;
        Ok(Box::new(tx))
    }

    async fn read(&self) -> Result<Box<dyn Tx>, StoreError> {
        Ok(Box::new(self.read_tx().await?))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let mut tx = self.read_tx().await?;
        // Touches the file, which `SELECT 1` would not.
        let row = users::table.select(users::id).first::<Uid>(tx.connection()?).await.optional();
        tx.check(row).map(drop)
    }
}

/// The transaction the repositories work in.
pub(crate) type Transaction = SqliteTx;

/// One open transaction on the SQLite file, and every repository in it.
pub struct SqliteTx {
    lease: Lease,
    state: State,
    abandoned: Arc<AtomicBool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// A statement failed in a way after which SQLite may have ended the transaction. Nothing more may run: outside a
    /// transaction a write would commit by itself.
    Failed,
    Committed,
}

impl SqliteTx {
    fn new(lease: Lease) -> Self {
        Self { lease, state: State::Open, abandoned: Arc::default() }
    }

    /// The connection, while the transaction is sound.
    pub(crate) fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        match self.state {
            State::Open => self.lease.connection(),
            State::Failed | State::Committed => {
                Err(StoreError::Unavailable("an earlier statement ended the transaction".to_owned()))
            }
        }
    }

    /// Turns a statement's error into the port's, and remembers whether the transaction outlived it.
    pub(crate) fn check<T>(&mut self, result: QueryResult<T>) -> Result<T, StoreError> {
        result.map_err(|error| {
            if !is_statement_error(&error) {
                self.state = State::Failed;
            }
            store_error(error)
        })
    }

    /// Before a statement that may lose against a uniqueness rule.
    #[expect(clippy::unused_async, reason = "a failed statement undoes itself in SQLite; PostgreSQL marks a place")]
    pub(crate) async fn mark(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// [`Self::check`] of the statement after [`Self::mark`].
    #[expect(clippy::unused_async, reason = "PostgreSQL goes back to the mark here")]
    pub(crate) async fn check_marked<T>(&mut self, result: QueryResult<T>) -> Result<T, StoreError> {
        self.check(result)
    }
}

impl Drop for SqliteTx {
    fn drop(&mut self) {
        if self.state == State::Committed {
            return;
        }
        self.abandoned.store(true, Ordering::Release);
        // Queued behind whatever statement a cancelled call left running, and before anything the next owner of the
        // connection sends: nobody has to wait for it here.
        if let Ok(connection) = self.lease.connection() {
            drop(connection.spawn_blocking(|connection| {
                roll_back(connection);
                Ok(())
            }));
        }
    }
}

#[async_trait]
impl Tx for SqliteTx {
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
        let done = self.connection()?.spawn_blocking(|connection| connection.batch_execute("COMMIT"));
        let result = done.await;
        self.check(result)?;
        self.state = State::Committed;
        Ok(())
    }
}
