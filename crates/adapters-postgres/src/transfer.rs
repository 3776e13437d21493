//! Everything of another database, in one transaction.

#[path = "../../adapters-sql/src/transfer_pages.rs"]
mod transfer_pages;

use diesel::expression::Expression;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use keystead_adapters_sql::transfer::{Rows, Tally};
use keystead_adapters_sql::{schema, store_error};
use keystead_application::ports::StoreError;

use crate::connection::{Connector, Link};
use crate::runtime::OwnRuntime;
use crate::{OpenError, PgConfig, migrations};
use transfer_pages::Pages;

type Connection = AsyncPgConnection;

/// No time-out ends the transaction: it takes what it takes. Nobody can become a user meanwhile, should a service be
/// running on this database already.
const BEGIN: &str = "\
    BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; \
    SET LOCAL lock_timeout = '30s'; SET LOCAL TimeZone = 'UTC'; LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE; \
    SET CONSTRAINTS ALL IMMEDIATE";

/// Everything of another database on its way into an empty one: all of it or, dropped before [`Self::commit`], nothing.
pub struct PgImport {
    link: Link,
    // Last: it drives the connection.
    _runtime: OwnRuntime,
}

macro_rules! write {
    ($($Row:ident $table:ident ($($key:ident),+) { $($column:ident: $type:ty),+ $(,)? })+) => {
        /// Inserts rows in one statement, their numbers as they are. Each column travels as one array: a value of its
        /// own for each field would be more than a statement can have.
        async fn insert(connection: &mut Connection, rows: &Rows) -> QueryResult<usize> {
            match rows {
                $(Rows::$Row(rows) => {
                    sql_query(insertion(stringify!($table), &[$(stringify!($column)),+]))
                        $(.bind::<Array<<schema::$table::$column as Expression>::SqlType>, _>(
                            rows.iter().map(|row| &row.$column).collect::<Vec<_>>(),
                        ))+
                        .execute(connection)
                        .await
                })+
            }
        }

        /// How many rows each table has.
        async fn count(connection: &mut Connection) -> QueryResult<Vec<(&'static str, u64)>> {
            Ok(vec![$({
                let rows: i64 = schema::$table::table.count().get_result(connection).await?;
                (stringify!($table), u64::try_from(rows).unwrap_or(0))
            },)+])
        }
    };
}
keystead_adapters_sql::with_every_table!(write);

fn insertion(table: &str, columns: &[&str]) -> String {
    let arrays: Vec<String> = (1..=columns.len()).map(|number| format!("${number}")).collect();
    let (columns, arrays) = (columns.join("\", \""), arrays.join(", "));
    format!("INSERT INTO {table} (\"{columns}\") OVERRIDING SYSTEM VALUE SELECT * FROM unnest({arrays})")
}

impl PgImport {
    /// Opens the transaction, and refuses a database that is not empty. Keys alone do not count: a service that was tried
    /// on it made them, and without a user nothing was signed with them; they are deleted. The database must have this
    /// version's tables. Blocks.
    pub fn begin(config: &PgConfig) -> Result<Self, OpenError> {
        let connector = Connector::new(config).map_err(OpenError::Config)?.patient();
        let runtime = OwnRuntime::start().map_err(OpenError::Thread)?;
        let servers = connector.names();
        let begun = runtime.wait_for(async move {
            let mut link = connector.connect().await.map_err(OpenError::Connect)?;
            let refused = |reason| OpenError::Import { servers: connector.names(), reason };
            match open(&mut link.connection).await {
                Ok(full) if full.is_empty() => Ok(link),
                Ok(full) => Err(refused(format!("it is not empty: {}", full.join(", ")))),
                Err(error) => Err(refused(error.to_string())),
            }
        });
        let lost = || OpenError::Import { servers, reason: "it panicked".to_owned() };
        Ok(Self { link: begun.ok_or_else(lost)??, _runtime: runtime })
    }

    /// Inserts rows. Tables must come in their order, which is that of [`Rows::none`].
    pub async fn insert(&mut self, rows: &Rows) -> Result<(), StoreError> {
        let inserted = insert(&mut self.link.connection, rows).await.map_err(store_error)?;
        if inserted == rows.len() {
            return Ok(());
        }
        Err(StoreError::Corrupt(format!("{}: {inserted} of {} rows were inserted", rows.table(), rows.len())))
    }

    /// Makes a table go on counting its rows behind this number.
    pub async fn go_on_behind(&mut self, table: &str, number: i64) -> Result<(), StoreError> {
        if number < 1 {
            return Ok(());
        }
        sql_query("SELECT setval(pg_get_serial_sequence($1, 'id'), $2)")
            .bind::<Text, _>(table)
            .bind::<BigInt, _>(number)
            .execute(&mut self.link.connection)
            .await
            .map(drop)
            .map_err(store_error)
    }

    /// What is in the tables now, read again from the first row to the last.
    pub async fn read_back(&mut self) -> Result<Vec<Tally>, StoreError> {
        let mut pages = Pages::new();
        while pages.next(&mut self.link.connection).await.map_err(store_error)?.is_some() {}
        Ok(pages.tallies().to_vec())
    }

    /// Keeps everything. After an error the outcome is unknown.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        self.link.connection.batch_execute("COMMIT").await.map_err(store_error)?;
        // The planner knows nothing of the rows yet. PostgreSQL does this by itself within minutes.
        let tables = Tally::nothing().iter().map(|tally| tally.table).collect::<Vec<_>>().join(", ");
        if let Err(error) = self.link.connection.batch_execute(&format!("ANALYZE {tables}")).await {
            tracing::warn!(%error, "ANALYZE failed");
        }
        Ok(())
    }
}

/// Begins, and says which tables are not empty.
async fn open(connection: &mut Connection) -> Result<Vec<String>, migrations::BoxError> {
    migrations::lock(connection).await?;
    connection.batch_execute(BEGIN).await?;
    let mut full = count(connection).await?;
    full.retain(|(table, rows)| *rows > 0 && !["keys", "factor_keys"].contains(table));
    if full.is_empty() {
        diesel::delete(schema::keys::table).execute(connection).await?;
        diesel::delete(schema::factor_keys::table).execute(connection).await?;
    }
    Ok(full.iter().map(|(table, rows)| format!("{rows} rows in {table}")).collect())
}
