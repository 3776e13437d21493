//! What can be done inside a transaction, one file per kind of data.
//!
//! This folder is no module of `keystead-adapters-sql`: it is compiled twice, by each SQL adapter against its own
//! connection (`#[path = "../../adapters-sql/src/repositories/mod.rs"] mod repositories;`). The files name no database.
//! They see `crate::store::Transaction`, the adapter's open transaction:
//!
//! - `connection` hands out the connection, `check` turns the result of a statement into the port's;
//! - `mark` before and `check_marked` after a statement that may lose against a uniqueness rule: such a loss must leave
//!   the transaction usable, which PostgreSQL does only back to a savepoint;
//!
//! and `crate::dialect`, what one database says differently: `hold`, what a decision rests on stays as it is until the
//! transaction ends ([`Hold`](keystead_adapters_sql::Hold)); `false` when there is no owner to hold. `due`, `lapsed` and
//! `claims_to` are conditions that pass over rows another transaction is busy with. `link` gives audit rows their places.

mod attendance;
mod audit;
mod audit_chain;
mod contacts;
mod devices;
mod factor_failures;
mod factors;
mod guess_budgets;
mod keys;
mod leases;
mod link_tokens;
mod login_history;
mod outbox;
mod passkeys;
mod registrations;
mod revocations;
mod social;
mod srp;
mod users;

use keystead_adapters_sql::RowError;
use keystead_application::ports::StoreError;

use crate::dialect;
use crate::store::Transaction;

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
