use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::rows::{AttendanceRow, remarks_of, status_name, times_of};
use keystead_adapters_sql::schema::{attendances, users};
use keystead_adapters_sql::types::{At, Uid};
use keystead_adapters_sql::{Hold, Prepared};
use keystead_application::ports::{AttendancePage, AttendanceRepository, StoreError};
use keystead_domain::Timestamp;
use keystead_domain::account::{AccountStatus, UserId};
use keystead_domain::attendance::{Attendance, AttendanceId, LocalDate, Presence};

use super::{Transaction, dialect, domain, optional};

/// Rows that pass a filter. The list is in the order of times and its index knows no days, so that times bound what is read
/// of it: below by the first day, above by the last one or, for a later page, by where it begins. One bound of each kind:
/// SQLite would take the first of two, and read a long list again from its beginning for every page.
macro_rules! filtered {
    ($page:expr) => {{
        let (filter, mut query) = (&$page.filter, attendances::table.into_boxed());
        if let Some(user) = filter.user {
            query = query.filter(attendances::user_id.eq(Uid(user)));
        }
        if let Some(from) = filter.from {
            let earliest = At(times_of(from).0);
            query = query.filter(attendances::date.ge(from.to_string())).filter(attendances::entered_at.ge(earliest));
        }
        if let Some(to) = filter.to {
            query = query.filter(attendances::date.le(to.to_string()));
        }
        if let Some((entered, after)) = $page.after {
            let behind = attendances::entered_at.lt(At(entered)).or(attendances::id.gt(Uid::of(after.0)));
            query = query.filter(attendances::entered_at.le(At(entered))).filter(behind);
        } else if let Some(to) = filter.to {
            query = query.filter(attendances::entered_at.lt(At(times_of(to).1)));
        }
        match filter.open {
            Some(true) => query.filter(attendances::left_at.is_null()),
            Some(false) => query.filter(attendances::left_at.is_not_null()),
            None => query,
        }
    }};
}

#[async_trait]
impl AttendanceRepository for Transaction {
    async fn find(&mut self, user: UserId, date: LocalDate) -> Result<Option<Attendance>, StoreError> {
        let query = attendances::table
            .filter(attendances::user_id.eq(Uid(user)))
            .filter(attendances::date.eq(date.to_string()))
            .select(AttendanceRow::as_select());
        let row = query.first(self.connection()?).await.optional();
        optional(self.check(row)?)
    }

    async fn latest(&mut self, user: UserId) -> Result<Option<Attendance>, StoreError> {
        let query = attendances::table
            .filter(attendances::user_id.eq(Uid(user)))
            .order((attendances::entered_at.desc(), attendances::id.asc()))
            .select(AttendanceRow::as_select());
        let row = query.first(self.connection()?).await.optional();
        optional(self.check(row)?)
    }

    async fn insert(&mut self, attendance: &Attendance) -> Result<(), StoreError> {
        dialect::hold(self, Hold::User(attendance.user_id)).await?;
        let statement = diesel::insert_into(attendances::table).values(AttendanceRow::from(attendance));
        self.mark().await?;
        let result = statement.execute(self.connection()?).await;
        self.check_marked(result).await.map(drop)
    }

    async fn close(&mut self, id: AttendanceId, left: &Presence) -> Result<bool, StoreError> {
        dialect::hold(self, Hold::Attendance(id)).await?;
        let open = attendances::table.find(Uid::of(id.0)).filter(attendances::left_at.is_null());
        let statement = diesel::update(open).set((
            attendances::left_at.eq(At(left.at)),
            attendances::left_ip.eq(left.device.ip.map(|ip| ip.to_string())),
            attendances::left_user_agent.eq(left.device.user_agent.clone()),
            attendances::left_remarks.eq(remarks_of(left)),
        ));
        let result = Prepared(statement).execute(self.connection()?).await;
        self.check(result).map(|rows| rows > 0)
    }

    async fn list(&mut self, page: &AttendancePage) -> Result<Vec<Attendance>, StoreError> {
        let query = filtered!(page)
            .order((attendances::entered_at.desc(), attendances::id.asc()))
            .limit(i64::from(page.size))
            .select(AttendanceRow::as_select());
        let rows = query.load(self.connection()?).await;
        domain(self.check(rows)?)
    }

    async fn to_remind(
        &mut self,
        date: LocalDate,
        after: Option<AttendanceId>,
        size: u32,
    ) -> Result<Vec<Attendance>, StoreError> {
        let query = attendances::table
            .inner_join(users::table)
            .filter(attendances::left_at.is_null())
            .filter(attendances::date.eq(date.to_string()))
            .filter(attendances::reminded_at.is_null())
            .filter(users::status.eq(status_name(AccountStatus::Active)))
            .order(attendances::id)
            .limit(i64::from(size))
            .select(AttendanceRow::as_select());
        let rows = match after {
            Some(after) => query.filter(attendances::id.gt(Uid::of(after.0))).load(self.connection()?).await,
            None => query.load(self.connection()?).await,
        };
        domain::<AttendanceRow, _>(self.check(rows)?)
    }

    async fn mark_reminded(&mut self, id: AttendanceId, now: Timestamp) -> Result<bool, StoreError> {
        dialect::hold(self, Hold::Attendance(id)).await?;
        let due = attendances::table
            .find(Uid::of(id.0))
            .filter(attendances::left_at.is_null())
            .filter(attendances::reminded_at.is_null());
        let statement = diesel::update(due).set(attendances::reminded_at.eq(At(now)));
        let result = Prepared(statement).execute(self.connection()?).await;
        self.check(result).map(|rows| rows > 0)
    }
}
