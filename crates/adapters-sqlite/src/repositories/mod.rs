//! What can be done inside a transaction, one file per kind of data.
//!
//! The files name no database: they see [`Transaction`] and diesel, so that the next SQL adapter can compile the same
//! source against its own connection.

mod audit;
mod devices;
mod guess_budgets;
mod keys;
mod link_tokens;
mod login_history;
mod outbox;
mod registrations;
mod revocations;
mod users;

use keystead_adapters_sql::RowError;
use keystead_application::ports::StoreError;

/// The transaction the repositories work in.
use crate::store::SqliteTx as Transaction;

/// Rows as the domain knows them.
fn domain<R, D: TryFrom<R, Error = RowError>>(rows: Vec<R>) -> Result<Vec<D>, StoreError> {
    rows.into_iter().map(|row| D::try_from(row).map_err(StoreError::from)).collect()
}

/// A row, if there is one, as the domain knows it.
fn optional<R, D: TryFrom<R, Error = RowError>>(row: Option<R>) -> Result<Option<D>, StoreError> {
    row.map(|row| D::try_from(row).map_err(StoreError::from)).transpose()
}

/// A count of rows.
fn count_of(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
