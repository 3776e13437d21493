use std::cmp::Reverse;
use std::collections::BTreeMap;

use async_trait::async_trait;
use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::attendance::{Attendance, AttendanceId, LocalDate, Presence};

use super::StoreState;
use crate::ports::{AttendanceFilter, AttendancePage, AttendanceRepository, Constraint, LeaseRepository, StoreError};

/// Rows of attendance.
#[derive(Clone, Debug, Default)]
pub struct Attendances(pub BTreeMap<AttendanceId, Attendance>);

/// What lists are sorted by.
fn place(row: &Attendance) -> (Reverse<Timestamp>, AttendanceId) {
    (Reverse(row.entered.at), row.id)
}

fn passes(filter: &AttendanceFilter, row: &Attendance) -> bool {
    filter.user.is_none_or(|user| row.user_id == user)
        && filter.from.is_none_or(|from| from <= row.date)
        && filter.to.is_none_or(|to| row.date <= to)
        && filter.open.is_none_or(|open| row.left.is_none() == open)
}

// Of the whole state, not of the rows alone: who is reminded depends on the accounts.
#[async_trait]
impl AttendanceRepository for StoreState {
    async fn find(&mut self, user: UserId, date: LocalDate) -> Result<Option<Attendance>, StoreError> {
        Ok(self.attendance.0.values().find(|row| row.user_id == user && row.date == date).cloned())
    }

    async fn latest(&mut self, user: UserId) -> Result<Option<Attendance>, StoreError> {
        Ok(self.attendance.0.values().filter(|row| row.user_id == user).min_by_key(|row| place(row)).cloned())
    }

    async fn insert(&mut self, attendance: &Attendance) -> Result<(), StoreError> {
        let same_day = |row: &Attendance| row.user_id == attendance.user_id && row.date == attendance.date;
        if self.attendance.0.values().any(same_day) {
            return Err(StoreError::Conflict(Constraint::AttendanceDay));
        }
        self.attendance.0.insert(attendance.id, attendance.clone());
        Ok(())
    }

    async fn close(&mut self, id: AttendanceId, left: &Presence) -> Result<bool, StoreError> {
        let open = self.attendance.0.get_mut(&id).filter(|row| row.left.is_none());
        Ok(open.map(|row| row.left = Some(left.clone())).is_some())
    }

    async fn list(&mut self, page: &AttendancePage) -> Result<Vec<Attendance>, StoreError> {
        let seen = page.after.map(|(entered, id)| (Reverse(entered), id));
        let is_next = |row: &Attendance| seen.is_none_or(|seen| place(row) > seen);
        let all = self.attendance.0.values();
        let mut rows: Vec<Attendance> = all.filter(|row| is_next(row) && passes(&page.filter, row)).cloned().collect();
        rows.sort_by_key(place);
        rows.truncate(page.size as usize);
        Ok(rows)
    }

    async fn to_remind(
        &mut self,
        date: LocalDate,
        after: Option<AttendanceId>,
        size: u32,
    ) -> Result<Vec<Attendance>, StoreError> {
        let may_work = |user: UserId| self.users.0.get(&user).is_some_and(|row| row.user.is_active());
        let due = |row: &&Attendance| {
            row.date == date
                && row.left.is_none()
                && row.reminded_at.is_none()
                && after.is_none_or(|after| row.id > after)
                && may_work(row.user_id)
        };
        Ok(self.attendance.0.values().filter(due).take(size as usize).cloned().collect())
    }

    async fn mark_reminded(&mut self, id: AttendanceId, now: Timestamp) -> Result<bool, StoreError> {
        let row = self.attendance.0.get_mut(&id).filter(|row| row.left.is_none() && row.reminded_at.is_none());
        Ok(row.map(|row| row.reminded_at = Some(now)).is_some())
    }
}

/// Leases by name: who has each, and until when.
#[derive(Clone, Debug, Default)]
pub struct Leases(pub BTreeMap<String, (String, Timestamp)>);

#[async_trait]
impl LeaseRepository for Leases {
    async fn acquire(
        &mut self,
        name: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let free = self.0.get(name).is_none_or(|(held_by, end)| held_by == holder || *end <= now);
        if free {
            self.0.insert(name.to_owned(), (holder.to_owned(), until));
        }
        Ok(free)
    }

    async fn release(&mut self, name: &str, holder: &str) -> Result<(), StoreError> {
        if self.0.get(name).is_some_and(|(held_by, _)| held_by == holder) {
            self.0.remove(name);
        }
        Ok(())
    }
}
