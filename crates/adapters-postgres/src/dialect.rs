//! What PostgreSQL says differently from SQLite, for the shared repositories.

use diesel::dsl::{AsExprOf, sql};
use diesel::expression::{SqlLiteral, UncheckedBind};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use keystead_adapters_sql::rows::UserRow;
use keystead_adapters_sql::schema::{pending_registrations as claims, users};
use keystead_adapters_sql::types::{At, Moment, Uid, UserUuid, micros};
use keystead_adapters_sql::{Hold, LAPSED_BATCH, Prepared};
use keystead_application::ports::{AuditRowId, ChainLink, StoreError};
use keystead_domain::Timestamp;
use keystead_domain::account::{LoginName, UserId};
use keystead_domain::limits::RatePolicy;

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

/// Advisory locks of the transaction (`::text`: they return nothing). The first number says what is locked, the second
/// tells one such thing from another; the first is `KS` and a count.
const LOCK_KEYS: &str = "pg_advisory_xact_lock(19283, 1)::text";
const LOCK_CLAIMS: &str = "pg_advisory_xact_lock(19284, hashtext(email))::text";
const LOCK_ADMINISTRATORS: &str = "pg_advisory_xact_lock(19287, 1)::text";
const LOCK_CHAIN: &str = "pg_advisory_xact_lock(19288, 1)::text";
const LOCK_FAILURES: [&str; 2] = ["pg_advisory_xact_lock(19286, hashtext(", "))::text"];
/// The old and the new of every login name, one lock after the other in the order of their numbers. Of names that stay, too:
/// a new version of a row enters every index again, and would wait there for somebody who wants that name and waits for it.
const LOCK_NAMES: [&str; 5] = [
    "(SELECT count(pg_advisory_xact_lock(19285, name.number)::text) FROM ( \
        SELECT DISTINCT hashtext(text.text) AS number FROM users \
        CROSS JOIN LATERAL (VALUES (users.email, ",
    "), (users.phone, ",
    "), (users.username, ",
    ")) AS change (old, new) CROSS JOIN LATERAL (VALUES (change.old), (change.new)) AS text (text) WHERE users.id = ",
    " AND text.text IS NOT NULL ORDER BY number) AS name)",
];

/// Not an address: looking it up costs as much as any name nobody has.
const NOBODY: &str = " ";

/// Keeps what a decision rests on as it is until the transaction ends, waiting for others that hold it. A reading
/// transaction sees one state anyway, and holds nothing.
///
/// A user is held by the lock on their row that an `UPDATE` takes too. It is a statement of its own: the look that
/// follows must see what was committed while it waited, in every table. So it may also see a link that was not there yet:
/// `false` says that no owner was found, and rows of owners must not be touched.
pub(crate) async fn hold(tx: &mut Transaction, what: Hold<'_>) -> Result<bool, StoreError> {
    if !tx.writes() {
        return Ok(true);
    }
    let user = match what {
        Hold::Keys => return lock(tx, LOCK_KEYS).await,
        Hold::AuditChain => return lock(tx, LOCK_CHAIN).await,
        Hold::Administrators => return lock(tx, LOCK_ADMINISTRATORS).await,
        // Not the rows of the address: a claim that comes while they are being locked would have to be locked out of
        // order, and two transactions could wait for each other.
        Hold::Claim(id) => {
            let lock = claims::table.find(Uid(id)).select(sql::<Text>(LOCK_CLAIMS));
            let locked = Prepared(lock).get_result::<String>(tx.connection()?).await.optional();
            return tx.check(locked).map(|_| true);
        }
        Hold::Rename(user) => {
            let row = UserRow::from(user);
            let [email, phone, username, id, end] = LOCK_NAMES;
            let lock = sql::<BigInt>(email)
                .bind::<Nullable<Text>, _>(row.email)
                .sql(phone)
                .bind::<Nullable<Text>, _>(row.phone)
                .sql(username)
                .bind::<Nullable<Text>, _>(row.username)
                .sql(id)
                .bind::<UserUuid, _>(row.id)
                .sql(end);
            let locked = Prepared(diesel::select(lock)).get_result::<i64>(tx.connection()?).await;
            return tx.check(locked).map(|_| true);
        }
        Hold::Failures(key) => {
            let [begin, end] = LOCK_FAILURES;
            let lock = sql::<Text>(begin).bind::<Text, _>(&key.0).sql(end);
            let locked = Prepared(diesel::select(lock)).get_result::<String>(tx.connection()?).await;
            return tx.check(locked).map(|_| true);
        }
        Hold::User(id) if tx.holds(id) => return Ok(true),
        Hold::Name(_) | Hold::Look(_) | Hold::Attendance(_) | Hold::Identity(_) if tx.holds_a_user() => {
            return Ok(true);
        }
        Hold::User(id) | Hold::Look(id) => {
            let row = users::table.find(Uid(id)).select(users::id).for_no_key_update();
            row.get_result::<Uid>(tx.connection()?).await
        }
        Hold::Name(LoginName::Username(name)) => {
            let row = users::table.filter(users::username.eq(name.as_str())).select(users::id).for_no_key_update();
            row.get_result(tx.connection()?).await
        }
        Hold::Name(LoginName::Phone(phone)) => {
            let row = users::table.filter(users::phone.eq(phone.as_str())).select(users::id).for_no_key_update();
            row.get_result(tx.connection()?).await
        }
        Hold::Name(name) => {
            let email = if let LoginName::Email(email) = name { email.as_str() } else { NOBODY };
            let row = users::table.filter(users::email.eq(email)).select(users::id).for_no_key_update();
            row.get_result(tx.connection()?).await
        }
        Hold::Link(hash) => {
            let owner = sql::<Bool>("id = (SELECT user_id FROM link_tokens WHERE hash = ");
            let owner = owner.bind::<Binary, _>(hash.0.to_vec()).sql(")");
            let row = users::table.filter(owner).select(users::id).for_no_key_update();
            row.get_result(tx.connection()?).await
        }
        Hold::Undo(hash) => {
            let owner = sql::<Bool>("id = (SELECT user_id FROM contact_undos WHERE hash = ");
            let owner = owner.bind::<Binary, _>(hash.0.to_vec()).sql(")");
            let row = users::table.filter(owner).select(users::id).for_no_key_update();
            Prepared(row).get_result(tx.connection()?).await
        }
        Hold::Attendance(id) => {
            let owner = sql::<Bool>("id = (SELECT user_id FROM attendances WHERE id = ");
            let owner = owner.bind::<UserUuid, _>(Uid::of(id.0)).sql(")");
            let row = users::table.filter(owner).select(users::id).for_no_key_update();
            Prepared(row).get_result(tx.connection()?).await
        }
        Hold::Identity(id) => {
            let owner = sql::<Bool>("id = (SELECT user_id FROM social_identities WHERE id = ");
            let owner = owner.bind::<UserUuid, _>(Uid::of(id)).sql(")");
            let row = users::table.filter(owner).select(users::id).for_no_key_update();
            Prepared(row).get_result(tx.connection()?).await
        }
        Hold::BegunLink(token) => {
            let owner = sql::<Bool>("id = (SELECT user_id FROM link_tokens WHERE begun_as = ");
            let owner = owner.bind::<Text, _>(token.as_str()).sql(")");
            let row = users::table.filter(owner).select(users::id).for_no_key_update();
            Prepared(row).get_result(tx.connection()?).await
        }
    };
    let user = tx.check(user.optional())?;
    if let Some(Uid(id)) = user {
        tx.note_held(id);
    }
    Ok(user.is_some())
}

/// Takes an advisory lock of which there is one.
async fn lock(tx: &mut Transaction, what: &'static str) -> Result<bool, StoreError> {
    let lock = Prepared(diesel::select(sql::<Text>(what)));
    let locked = lock.get_result::<String>(tx.connection()?).await;
    tx.check(locked).map(|_| true)
}

/// Claims to the addresses of a user, without those that are just being proved: who proves one may be waiting for the
/// address to become free, and must not be waited for.
pub(crate) fn claims_to(user: UserId) -> Claims {
    sql::<Bool>(
        "ctid = ANY(ARRAY(SELECT claim.ctid FROM users JOIN pending_registrations claim \
         ON claim.email IN (users.email, users.phone) WHERE users.id = ",
    )
    .bind::<UserUuid, _>(Uid(user))
    .sql(" FOR UPDATE OF claim SKIP LOCKED))")
}

/// Gives audit rows without a link theirs, in one statement. Returns how many there were.
pub(crate) async fn link(connection: &mut AsyncPgConnection, links: &[(AuditRowId, ChainLink)]) -> QueryResult<usize> {
    sql_query(
        "UPDATE audit_events SET position = link.position, hash = link.hash \
         FROM unnest($1, $2, $3) AS link (id, position, hash) \
         WHERE audit_events.id = link.id AND audit_events.position IS NULL",
    )
    .bind::<Array<BigInt>, _>(links.iter().map(|(id, _)| id.0).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(links.iter().map(|(_, link)| link.position).collect::<Vec<_>>())
    .bind::<Array<Binary>, _>(links.iter().map(|(_, link)| link.hash.as_slice()).collect::<Vec<_>>())
    .execute(connection)
    .await
}

/// The first rows of a table, in the given order, of which `condition` and the time are true, as in `expires_at <=`: one
/// batch, without those another transaction is busy with. Who tidies up waits for nobody, so that nobody waits in a circle;
/// they are there for the next round. SQLite needs the primary key.
pub(crate) fn lapsed(table: &str, _key: &str, (condition, order): (&str, &str), time: Timestamp) -> Lapsed {
    sql::<Bool>(&format!("ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE {condition} "))
        .bind::<Moment, _>(At(time))
        .sql(&format!(" ORDER BY {order} LIMIT {LAPSED_BATCH} FOR UPDATE SKIP LOCKED))"))
}

/// The messages of the outbox that can be claimed and were due first, at most `limit`, without those another worker is
/// claiming. The array makes PostgreSQL look once: it may run a plain subquery with a limit again for every row.
pub(crate) fn due(limit: u32, now: Timestamp) -> Due {
    sql::<Bool>("id = ANY(ARRAY(SELECT id FROM outbox WHERE dead_at IS NULL AND due_at <= ")
        .bind::<Moment, _>(At(now))
        .sql(" AND expires_at > ")
        .bind::<Moment, _>(At(now))
        // Not bound: a plan that does not know how few are wanted may sort them all.
        .sql(&format!(" ORDER BY due_at, created_at, id LIMIT {limit} FOR UPDATE SKIP LOCKED))"))
}

/// When the counter of a row of this table is wholly free again, in an upsert of it: `Gcra::of_window` in SQL.
pub(crate) fn free_at(table: &str, policy: &RatePolicy) -> FreeAt {
    sql::<Moment>(&format!("({table}.resets_at - greatest("))
        .bind::<BigInt, _>(i64::from(policy.limit))
        .sql(&format!(" - {table}.count, 0) * "))
        .bind::<BigInt, _>(micros(policy.interval()))
        .sql(" * interval '1 microsecond')")
}

/// When the window of a row of this table ends that is full and takes one more hit.
pub(crate) fn end_of_full(table: &str, policy: &RatePolicy) -> EndOfFull {
    sql::<Moment>(&format!("({table}.resets_at + "))
        .bind::<BigInt, _>(micros(policy.interval()))
        .sql(" * interval '1 microsecond')")
}
