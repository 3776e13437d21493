//! SQL types with one name here and a native column type in each database, and the values that travel through them.

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::query_builder::QueryId;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{BigInt, Binary, SqlType};
use diesel::sqlite::{Sqlite, SqliteValue};
use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use uuid::Uuid;

/// A point in time. SQLite: an integer, microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, QueryId, SqlType)]
#[diesel(sqlite_type(name = "Long"))]
pub struct Moment;

/// A user's identifier. SQLite: a blob of 16 bytes.
#[derive(Clone, Copy, Debug, Default, QueryId, SqlType)]
#[diesel(sqlite_type(name = "Binary"))]
pub struct UserUuid;

/// A [`Timestamp`] on its way to or from a [`Moment`] column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, AsExpression, FromSqlRow)]
#[diesel(sql_type = Moment)]
pub struct At(pub Timestamp);

/// A [`UserId`] on its way to or from a [`UserUuid`] column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = UserUuid)]
pub struct Uid(pub UserId);

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
