use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use diesel::connection::SimpleConnection;
use diesel::{QueryResult, SqliteConnection};
use diesel_async::sync_connection_wrapper::{SpawnBlocking, SyncConnectionWrapper};
use keystead_adapters_sql::store_error;
use keystead_application::ports::StoreError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Access, Connection, Deadline, Settings, Synchronous, Worker, begin_immediate, establish, roll_back};

/// A few connections of one kind, made when first needed, handed out in the order they were asked for.
pub(crate) struct Pool {
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    settings: Arc<Settings>,
    access: Access,
}

/// What a commit waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// As configured.
    Configured,
    /// Never the disk: losing the last moments with the power costs nothing.
    Relaxed,
}

impl Pool {
    /// A pool of at most `size` connections.
    pub(crate) fn new(settings: Arc<Settings>, access: Access, size: usize) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(size.max(1)));
        Arc::new(Self { idle: Mutex::default(), permits, settings, access })
    }

    /// Until when a caller who comes now is patient.
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::after(self.settings.acquire_timeout)
    }

    /// A connection of one's own, waited for until the deadline.
    pub(crate) async fn acquire(self: &Arc<Self>, deadline: Deadline) -> Result<Lease, StoreError> {
        let permits = Arc::clone(&self.permits);
        let permit = match Arc::clone(&permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => tokio::time::timeout(deadline.remaining(), permits.acquire_owned())
                .await
                .map_err(|_| StoreError::Unavailable("no connection became free in time".to_owned()))?
                .map_err(|_| StoreError::Unavailable("the store is closed".to_owned()))?,
        };
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.open().await?,
        };
        Ok(Lease { connection: Some(connection), pool: Arc::clone(self), _permit: permit })
    }

    async fn open(&self) -> Result<Connection, StoreError> {
        let (mut worker, settings, access) = (Worker::start(), Arc::clone(&self.settings), self.access);
        let opened = worker.spawn_blocking(move || establish(&settings, access)).await;
        match opened {
            Ok(Ok(connection)) => Ok(SyncConnectionWrapper::with_runtime(connection, worker)),
            Ok(Err(error)) => Err(StoreError::Unavailable(error.to_string())),
            Err(error) => Err(StoreError::Unavailable(error.to_string())),
        }
    }

    /// Runs `work` in one transaction that holds the write lock, in one hop. It is atomic whatever becomes of the caller.
    pub(crate) async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        durability: Durability,
        work: impl FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let deadline = self.deadline();
        let mut lease = self.acquire(deadline).await?;
        let relaxed = durability == Durability::Relaxed && self.settings.synchronous != Synchronous::Normal;
        let configured = self.settings.synchronous;
        let result = lease.connection()?.spawn_blocking(move |connection| {
            if !relaxed {
                return immediate(connection, deadline, work);
            }
            connection.batch_execute(Synchronous::Normal.pragma())?;
            let result = immediate(connection, deadline, work);
            connection.batch_execute(configured.pragma())?;
            result
        });
        result.await.map_err(store_error)
    }

    /// Runs `work`, one statement that only reads, in one hop.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut lease = self.acquire(self.deadline()).await?;
        let result = lease.connection()?.spawn_blocking(work);
        result.await.map_err(store_error)
    }
}

fn immediate<T>(
    connection: &mut SqliteConnection,
    deadline: Deadline,
    work: impl FnOnce(&mut SqliteConnection) -> QueryResult<T>,
) -> QueryResult<T> {
    begin_immediate(connection, deadline, &AtomicBool::new(false))?;
    let result = work(connection).and_then(|value| connection.batch_execute("COMMIT").map(|()| value));
    if result.is_err() {
        roll_back(connection);
    }
    result
}

/// A connection of one's own until dropped.
pub(crate) struct Lease {
    connection: Option<Connection>,
    pool: Arc<Pool>,
    // Last, so that the connection is back before the next caller is let in.
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    /// The connection.
    pub(crate) fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        self.connection.as_mut().ok_or_else(|| StoreError::Unavailable("the connection is gone".to_owned()))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }
}
