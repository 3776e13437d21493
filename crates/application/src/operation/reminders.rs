use std::sync::Arc;
use std::time::Duration;

use keystead_domain::account::{Address, User};
use keystead_domain::attendance::{Attendance, AttendanceId};
use keystead_domain::{Timestamp, limits};

use crate::attendance::{Calendar, Schedule};
use crate::failure::Failure;
use crate::message::Notice;
use crate::ports::{Clock, Entropy, Store};
use crate::random;
use crate::service::{Postbox, to_address};
use crate::settings::Settings;

/// The name of the lease.
const LEASE: &str = "reminders";
/// Rows read at once; the lease is prolonged before each reading.
const PAGE: u32 = 50;
/// For so long a time that was missed, because nothing ran then, is made up for.
pub const CATCH_UP: Duration = Duration::from_hours(2);
/// A reminder that comes later than this is of no use.
const MESSAGE_LIFE: Duration = Duration::from_hours(4);

/// What a round of reminders did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reminded {
    /// People who get a message.
    pub reminded: u64,
    /// People who are in and whom no message can reach.
    pub unreachable: u64,
}

/// Reminds everybody who checked in and not out to check out: each row once, whoever sends, and however often.
pub struct SendReminders {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    postbox: Arc<Postbox>,
    settings: Arc<Settings>,
    calendar: Calendar,
}

/// What became of one row.
enum Outcome {
    Reminded,
    /// They left, were reminded or closed their account meanwhile.
    Over,
    Unreachable,
}

impl SendReminders {
    /// The use-case with its dependencies.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        postbox: Arc<Postbox>,
        settings: Arc<Settings>,
        calendar: Calendar,
    ) -> Self {
        Self { store, clock, postbox, settings, calendar }
    }

    /// Reminds whoever is in now.
    pub async fn run(&self) -> Result<Reminded, Failure> {
        let (mut done, mut after) = (Reminded::default(), None);
        let now = self.clock.now();
        while let Some(last) = self.page(now, after, &mut done).await? {
            after = Some(last);
        }
        Ok(done)
    }

    /// Reminds a page of those who had come by `due` and are still in on its day. Returns the last row looked at; `None` when
    /// there are no more.
    async fn page(
        &self,
        due: Timestamp,
        after: Option<AttendanceId>,
        done: &mut Reminded,
    ) -> Result<Option<AttendanceId>, Failure> {
        let date = self.calendar.date(due);
        let rows = self.store.read().await?.attendance().to_remind(date, after, PAGE).await?;
        // Whoever came later is not late.
        for row in rows.iter().filter(|row| row.entered.at <= due) {
            match self.remind(row).await {
                Ok(Outcome::Reminded) => done.reminded += 1,
                Ok(Outcome::Unreachable) => done.unreachable += 1,
                Ok(Outcome::Over) => {}
                // What is wrong with one person must not keep the others from their reminders.
                Err(Failure::Internal(error)) => tracing::error!(row = %row.id, error, "somebody was not reminded"),
                Err(failure) => return Err(failure),
            }
        }
        Ok(rows.last().filter(|_| rows.len() >= PAGE as usize).map(|row| row.id))
    }

    /// The message and the mark on the row commit together.
    async fn remind(&self, row: &Attendance) -> Result<Outcome, Failure> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let Some(user) = tx.users().get(row.user_id).await?.filter(User::is_active) else { return Ok(Outcome::Over) };
        let is_reachable = |to: &Address| self.settings.factors.reaches(to.kind());
        let Some(to) = user.address().filter(is_reachable) else { return Ok(Outcome::Unreachable) };
        if !tx.attendance().mark_reminded(row.id, now).await? {
            return Ok(Outcome::Over);
        }
        let time = self.calendar.wall_clock(row.entered.at);
        let notice = Notice::CheckOutReminder { date: row.date.to_string(), time };
        self.postbox.post(&mut *tx, &to_address(&user, to, notice), now, MESSAGE_LIFE).await?;
        tx.commit().await?;
        Ok(Outcome::Reminded)
    }
}

/// Sends reminders at the times of a schedule. Every replica has one; a lease lets one of them work at a time. What a replica
/// that died left undone, the next one does when its lease has lapsed.
pub struct RemindOnSchedule {
    send: Arc<SendReminders>,
    schedule: Schedule,
    /// Who this is, among the replicas.
    holder: String,
    /// The last time that this replica has seen everybody reminded for.
    done: Option<Timestamp>,
}

impl RemindOnSchedule {
    /// The use-case with its dependencies.
    pub fn new(send: Arc<SendReminders>, schedule: Schedule, entropy: &dyn Entropy) -> Self {
        let holder = random::session_id(entropy).as_str().to_owned();
        Self { send, schedule, holder, done: None }
    }

    /// Looks whether it is time, and does what is due. To be called every few seconds: looking costs nothing but a look at the
    /// clock. `None` when there was nothing to do, or another replica does it.
    pub async fn run(&mut self) -> Result<Option<Reminded>, Failure> {
        let now = self.send.clock.now();
        let due = self.send.calendar.last(&self.schedule, now).filter(|due| now.since(*due) <= CATCH_UP);
        let Some(due) = due.filter(|due| self.done != Some(*due)) else { return Ok(None) };
        let (mut reminded, mut after) = (Reminded::default(), None);
        loop {
            if !self.lease().await? {
                return Ok(None);
            }
            if after.is_none() {
                tracing::debug!("this replica sends what reminders are due");
            }
            match self.send.page(due, after, &mut reminded).await? {
                Some(last) => after = Some(last),
                None => break,
            }
        }
        self.done = Some(due);
        self.give_back().await?;
        Ok(Some(reminded))
    }

    /// Takes or prolongs the lease.
    async fn lease(&self) -> Result<bool, Failure> {
        let now = self.send.clock.now();
        let mut tx = self.send.store.begin().await?;
        let is_held = tx.leases().acquire(LEASE, &self.holder, now, now.plus(limits::REMINDER_LEASE)).await?;
        tx.commit().await?;
        Ok(is_held)
    }

    async fn give_back(&self) -> Result<(), Failure> {
        let mut tx = self.send.store.begin().await?;
        tx.leases().release(LEASE, &self.holder).await?;
        Ok(tx.commit().await?)
    }
}

#[cfg(test)]
mod tests;
