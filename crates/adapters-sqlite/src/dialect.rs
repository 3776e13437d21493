//! What SQLite says differently from PostgreSQL, for the shared repositories.

use diesel::SqliteConnection;
use diesel::dsl::{AsExprOf, exists, sql};
use diesel::expression::{SqlLiteral, UncheckedBind};
use diesel::prelude::*;
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::{BigInt, Bool};
use keystead_adapters_sql::schema::audit_events as events;
use keystead_adapters_sql::types::{At, Moment, Uid, UserUuid, micros};
use keystead_adapters_sql::{Hold, LAPSED_BATCH, Prepared};
use keystead_application::ports::{AuditRowId, ChainLink, StoreError};
use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::limits::RatePolicy;

use crate::connection::Connection;
use crate::store::Transaction;

/// A condition with one more value bound to it.
type Bound<Condition, Value, Type> = SqlLiteral<Bool, UncheckedBind<Condition, AsExprOf<Value, Type>>>;
/// The condition of [`lapsed`].
pub(crate) type Lapsed = Bound<SqlLiteral<Bool>, At, Moment>;
/// The condition of [`due`].
pub(crate) type Due = Bound<Bound<SqlLiteral<Bool>, At, Moment>, At, Moment>;

/// A time with one more number bound to it.
type Numbered<Time> = SqlLiteral<Moment, UncheckedBind<Time, AsExprOf<i64, BigInt>>>;
/// The time of [`end_of_full`].
pub(crate) type EndOfFull = Numbered<SqlLiteral<Moment>>;
/// The time of [`free_at`].
pub(crate) type FreeAt = Numbered<Numbered<SqlLiteral<Moment>>>;

/// The condition of [`claims_to`].
pub(crate) type Claims = Bound<SqlLiteral<Bool>, Uid, UserUuid>;

/// Keeps what a decision rests on as it is until the transaction ends: the writer is alone with the file anyway.
#[expect(clippy::unused_async, reason = "PostgreSQL waits here, and may wait in vain")]
pub(crate) async fn hold(_: &mut Transaction, _: Hold<'_>) -> Result<bool, StoreError> {
    Ok(true)
}

/// Claims to the addresses of a user.
pub(crate) fn claims_to(user: UserId) -> Claims {
    sql::<Bool>("email IN (SELECT address.text FROM (SELECT id, email AS text FROM users UNION ALL SELECT id, phone FROM users) \
                 AS address WHERE address.id = ")
        .bind::<UserUuid, _>(Uid(user))
        .sql(" AND address.text IS NOT NULL)")
}

/// Gives audit rows without a link theirs. Returns how many there were. Nothing is changed when a place is taken.
pub(crate) async fn link(connection: &mut Connection, links: &[(AuditRowId, ChainLink)]) -> QueryResult<usize> {
    let links = links.to_vec();
    let work = move |connection: &mut SqliteConnection| {
        for (_, link) in &links {
            let taken = events::table.filter(events::position.eq(link.position));
            if diesel::select(exists(taken)).get_result(connection)? {
                let message = "UNIQUE constraint failed: audit_events.position".to_owned();
                return Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, Box::new(message)));
            }
        }
        links.into_iter().try_fold(0, |linked, (id, link)| {
            let row = events::table.find(id.0).filter(events::position.is_null());
            let changes = (events::position.eq(link.position), events::hash.eq(link.hash.to_vec()));
            ExecuteDsl::execute(Prepared(diesel::update(row).set(changes)), connection).map(|rows| linked + rows)
        })
    };
    connection.spawn_blocking(work).await
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

/// When the counter of a row of this table is wholly free again, in an upsert of it: `Gcra::of_window` in SQL.
pub(crate) fn free_at(table: &str, policy: &RatePolicy) -> FreeAt {
    sql::<Moment>(&format!("({table}.resets_at - max("))
        .bind::<BigInt, _>(i64::from(policy.limit))
        .sql(&format!(" - {table}.count, 0) * "))
        .bind::<BigInt, _>(micros(policy.interval()))
        .sql(")")
}

/// When the window of a row of this table ends that is full and takes one more hit.
pub(crate) fn end_of_full(table: &str, policy: &RatePolicy) -> EndOfFull {
    sql::<Moment>(&format!("({table}.resets_at + ")).bind::<BigInt, _>(micros(policy.interval())).sql(")")
}
