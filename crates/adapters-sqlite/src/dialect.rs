//! What SQLite says differently from PostgreSQL, for the shared repositories.

use diesel::dsl::{AsExprOf, sql};
use diesel::expression::{SqlLiteral, UncheckedBind};
use diesel::sql_types::Bool;
use keystead_adapters_sql::types::{At, Moment};
use keystead_adapters_sql::{Hold, LAPSED_BATCH};
use keystead_application::ports::StoreError;
use keystead_domain::Timestamp;

use crate::store::Transaction;

/// A condition with one more value bound to it.
type Bound<Condition, Value, Type> = SqlLiteral<Bool, UncheckedBind<Condition, AsExprOf<Value, Type>>>;
/// The condition of [`lapsed`].
pub(crate) type Lapsed = Bound<SqlLiteral<Bool>, At, Moment>;
/// The condition of [`due`].
pub(crate) type Due = Bound<Bound<SqlLiteral<Bool>, At, Moment>, At, Moment>;

/// Keeps what a decision rests on as it is until the transaction ends: the writer is alone with the file anyway.
#[expect(clippy::unused_async, reason = "PostgreSQL waits here, and may wait in vain")]
pub(crate) async fn hold(_: &mut Transaction, _: Hold<'_>) -> Result<bool, StoreError> {
    Ok(true)
}

/// The first rows of a table with this primary key, in the given order, of which `condition` and the time are true, as in
/// `expires_at <=`: one batch.
pub(crate) fn lapsed(table: &str, key: &str, (condition, order): (&str, &str), time: Timestamp) -> Lapsed {
    sql::<Bool>(&format!("({key}) IN (SELECT {key} FROM {table} WHERE {condition} "))
        .bind::<Moment, _>(At(time))
        .sql(&format!(" ORDER BY {order} LIMIT {LAPSED_BATCH})"))
}

/// The messages of the outbox that can be claimed and were due first, at most `limit`.
pub(crate) fn due(limit: u32, now: Timestamp) -> Due {
    sql::<Bool>("id IN (SELECT id FROM outbox WHERE dead_at IS NULL AND due_at <= ")
        .bind::<Moment, _>(At(now))
        .sql(" AND expires_at > ")
        .bind::<Moment, _>(At(now))
        .sql(&format!(" ORDER BY due_at, created_at, id LIMIT {limit})"))
}
