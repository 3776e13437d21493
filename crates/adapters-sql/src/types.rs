//! SQL types with one name here and a native column type in each database, and the values that travel through them.

use std::io::Write;
use std::time::Duration;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::query_builder::QueryId;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{BigInt, Binary, SqlType};
use diesel::sqlite::{Sqlite, SqliteValue};
use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use uuid::Uuid;

/// A point in time. SQLite: an integer, microseconds since the Unix epoch. PostgreSQL: `timestamptz`.
#[derive(Clone, Copy, Debug, Default, QueryId, SqlType)]
#[diesel(sqlite_type(name = "Long"))]
#[diesel(postgres_type(oid = 1184, array_oid = 1185))]
pub struct Moment;

/// A UUID: a user's identifier, or another's in the same form. SQLite: a blob of 16 bytes. PostgreSQL: `uuid`.
#[derive(Clone, Copy, Debug, Default, QueryId, SqlType)]
#[diesel(sqlite_type(name = "Binary"))]
#[diesel(postgres_type(oid = 2950, array_oid = 2951))]
pub struct UserUuid;

/// A [`Timestamp`] on its way to or from a [`Moment`] column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = Moment)]
pub struct At(pub Timestamp);

/// A [`UserId`] on its way to or from a [`UserUuid`] column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = UserUuid)]
pub struct Uid(pub UserId);

impl Uid {
    /// Of an identifier that is no user's.
    pub const fn of(uuid: Uuid) -> Self {
        Self(UserId::new(uuid))
    }

    /// The UUID itself.
    pub const fn uuid(&self) -> Uuid {
        self.0.as_uuid()
    }
}

/// A span in whole microseconds, as an integer for SQL. Saturates.
pub fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

impl ToSql<Moment, Sqlite> for At {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0.as_micros());
        Ok(IsNull::No)
    }
}

impl FromSql<Moment, Sqlite> for At {
    fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        let micros = <i64 as FromSql<BigInt, Sqlite>>::from_sql(value)?;
        Ok(Self(Timestamp::from_micros(micros)))
    }
}

/// PostgreSQL counts microseconds from the first of January 2000, 00:00 UTC: this many after the Unix epoch.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;
/// The first microsecond a `timestamptz` can hold, in PostgreSQL's count: 4714-11-24 BC (`datatype/timestamp.h`). Its
/// last one, in the year 294276, lies after the last [`Timestamp`].
const POSTGRES_FIRST: i64 = -211_813_488_000_000_000;
/// `-infinity` on the wire.
const POSTGRES_NEVER: i64 = i64::MIN;
/// `infinity` on the wire.
const POSTGRES_FOREVER: i64 = i64::MAX;

/// What stands for this time on PostgreSQL's wire. Times before its first become `-infinity`, so that their order stays.
fn to_postgres(at: Timestamp) -> i64 {
    let micros = at.as_micros().saturating_sub(POSTGRES_EPOCH);
    if micros < POSTGRES_FIRST { POSTGRES_NEVER } else { micros }
}

/// The time PostgreSQL sent. An infinity is the first or the last time there is.
fn from_postgres(micros: i64) -> Timestamp {
    match micros {
        POSTGRES_NEVER | POSTGRES_FOREVER => Timestamp::from_micros(micros),
        _ => Timestamp::from_micros(micros.saturating_add(POSTGRES_EPOCH)),
    }
}

impl ToSql<Moment, Pg> for At {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(&to_postgres(self.0).to_be_bytes())?;
        Ok(IsNull::No)
    }
}

impl FromSql<Moment, Pg> for At {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let bytes = value.as_bytes().try_into().map_err(|_| "not the 8 bytes of a time")?;
        Ok(Self(from_postgres(i64::from_be_bytes(bytes))))
    }
}

impl ToSql<UserUuid, Sqlite> for Uid {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0.as_uuid().as_bytes().to_vec());
        Ok(IsNull::No)
    }
}

impl FromSql<UserUuid, Sqlite> for Uid {
    fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        let bytes = <Vec<u8> as FromSql<Binary, Sqlite>>::from_sql(value)?;
        let uuid = Uuid::from_slice(&bytes).map_err(|_| "not the 16 bytes of a UUID")?;
        Ok(Self(UserId::new(uuid)))
    }
}

impl ToSql<UserUuid, Pg> for Uid {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(self.0.as_uuid().as_bytes())?;
        Ok(IsNull::No)
    }
}

impl FromSql<UserUuid, Pg> for Uid {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let uuid = Uuid::from_slice(value.as_bytes()).map_err(|_| "not the 16 bytes of a UUID")?;
        Ok(Self(UserId::new(uuid)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_microsecond_on_the_way_to_postgresql_and_back() {
        let first = POSTGRES_FIRST + POSTGRES_EPOCH;
        for micros in [0, 1, -1, POSTGRES_EPOCH, 1_700_000_000_000_001, first, i64::MAX - 1, i64::MAX, i64::MIN] {
            let at = Timestamp::from_micros(micros);
            assert_eq!(from_postgres(to_postgres(at)), at, "{micros}");
        }
        assert_eq!(to_postgres(Timestamp::from_micros(POSTGRES_EPOCH)), 0);
        assert_eq!(from_postgres(POSTGRES_FOREVER), Timestamp::from_micros(i64::MAX));
    }

    #[test]
    fn times_postgresql_cannot_hold_keep_their_order() {
        let first = POSTGRES_FIRST + POSTGRES_EPOCH;
        let sent = [i64::MIN, first - 1, first, 0, i64::MAX].map(|at| to_postgres(Timestamp::from_micros(at)));
        assert_eq!(sent[..2], [POSTGRES_NEVER; 2]);
        assert!(sent[1..].windows(2).all(|pair| pair[0] < pair[1]), "{sent:?}");
    }
}
