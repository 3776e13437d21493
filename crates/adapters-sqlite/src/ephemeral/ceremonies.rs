use std::sync::Arc;

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::query_dsl::methods;
use diesel::sqlite::SqliteConnection;
use diesel::upsert::excluded;
use keystead_adapters_sql::types::At;
use keystead_application::ports::{CeremonyKey, CeremonyStore, EphemeralError};
use keystead_domain::{SecretBytes, Timestamp};

use super::schema::ceremonies;
use super::unavailable;
use crate::connection::{Durability, Pool};

/// Take-once state in the SQLite file. Cheap to clone.
#[derive(Clone)]
pub struct SqliteCeremonies {
    writer: Arc<Pool>,
    readers: Arc<Pool>,
}

impl SqliteCeremonies {
    pub(crate) fn new(writer: Arc<Pool>, readers: Arc<Pool>) -> Self {
        Self { writer, readers }
    }
}

/// The ceremony of this key, while it is alive.
macro_rules! alive {
    ($key:expr, $now:expr) => {
        ceremonies::table.find(($key.kind.as_str(), &$key.id)).filter(ceremonies::expires_at.gt(At($now)))
    };
}

/// Takes a ceremony in one statement.
fn take(connection: &mut SqliteConnection, key: &CeremonyKey, now: Timestamp) -> QueryResult<Option<Vec<u8>>> {
    diesel::delete(alive!(key, now)).returning(ceremonies::state).get_result(connection).optional()
}

/// Adds a ceremony in one statement, over a dead one of the same key if need be. `false` when one is alive.
fn put(
    connection: &mut SqliteConnection,
    key: &CeremonyKey,
    state: &[u8],
    now: Timestamp,
    expires_at: Timestamp,
) -> QueryResult<bool> {
    let inserted = diesel::insert_into(ceremonies::table)
        .values((
            ceremonies::kind.eq(key.kind.as_str()),
            ceremonies::id.eq(&key.id),
            ceremonies::state.eq(state),
            ceremonies::expires_at.eq(At(expires_at)),
        ))
        .on_conflict((ceremonies::kind, ceremonies::id))
        .do_update()
        .set((
            ceremonies::state.eq(excluded(ceremonies::state)),
            ceremonies::expires_at.eq(excluded(ceremonies::expires_at)),
        ));
    methods::FilterDsl::filter(inserted, ceremonies::expires_at.le(At(now)))
        .returning(ceremonies::id)
        .get_result::<String>(connection)
        .optional()
        .map(|row| row.is_some())
}

/// A ceremony as it lies in the file.
#[derive(Queryable)]
pub(crate) struct Ceremony {
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) state: Vec<u8>,
    pub(crate) expires_at: At,
}

/// Ceremonies alive at `now` in the order of kind and identifier, from behind `(kind, id)` on.
pub(crate) fn living(
    connection: &mut SqliteConnection,
    (kind, id): (&str, &str),
    now: Timestamp,
    limit: i64,
) -> QueryResult<Vec<Ceremony>> {
    ceremonies::table
        .filter(ceremonies::kind.ge(kind))
        .filter(ceremonies::kind.gt(kind).or(ceremonies::id.gt(id)))
        .filter(ceremonies::expires_at.gt(At(now)))
        .order((ceremonies::kind, ceremonies::id))
        .limit(limit)
        .load(connection)
}

#[async_trait]
impl CeremonyStore for SqliteCeremonies {
    async fn insert(
        &self,
        key: &CeremonyKey,
        state: &[u8],
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool, EphemeralError> {
        let (key, state) = (key.clone(), SecretBytes::new(state.to_vec()));
        let work = move |connection: &mut SqliteConnection| put(connection, &key, state.expose(), now, expires_at);
        self.writer.write(Durability::Configured, work).await.map_err(unavailable)
    }

    async fn find(&self, key: &CeremonyKey, now: Timestamp) -> Result<Option<SecretBytes>, EphemeralError> {
        let key = key.clone();
        let work = move |connection: &mut SqliteConnection| {
            alive!(key, now).select(ceremonies::state).first::<Vec<u8>>(connection).optional()
        };
        Ok(self.readers.read(work).await.map_err(unavailable)?.map(SecretBytes::new))
    }

    async fn take(&self, key: &CeremonyKey, now: Timestamp) -> Result<Option<SecretBytes>, EphemeralError> {
        let key = key.clone();
        let work = move |connection: &mut SqliteConnection| take(connection, &key, now);
        Ok(self.writer.write(Durability::Configured, work).await.map_err(unavailable)?.map(SecretBytes::new))
    }

    async fn overwrite(
        &self,
        key: &CeremonyKey,
        state: &[u8],
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool, EphemeralError> {
        let (key, state) = (key.clone(), SecretBytes::new(state.to_vec()));
        let work = move |connection: &mut SqliteConnection| {
            let changes = (ceremonies::state.eq(state.expose()), ceremonies::expires_at.eq(At(expires_at)));
            let statement = diesel::update(alive!(key, now)).set(changes).returning(ceremonies::id);
            statement.get_result::<String>(connection).optional().map(|row| row.is_some())
        };
        self.writer.write(Durability::Configured, work).await.map_err(unavailable)
    }
}
