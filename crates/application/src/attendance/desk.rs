use std::sync::Arc;

use keystead_domain::Timestamp;
use keystead_domain::account::{User, UserId};
use keystead_domain::attendance::{self, Attendance, AttendanceId, AttendanceRefusal, LocalDate, Presence, Remarks};
use keystead_domain::audit::AuditEventName;
use keystead_domain::token::AccessClaims;
use thiserror::Error;

use super::Calendar;
use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::ports::{AttendancePage, Clock, Constraint, Entropy, Store, StoreError, Tx};
use crate::service::{Caller, GuessGuard, Unproved, record};

/// Why somebody was not checked in or out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AttendanceError {
    /// A second factor must be proved first.
    #[error("a second factor is needed")]
    MfaRequired,
    /// The account or session ended meanwhile.
    #[error("the session is over")]
    SessionOver,
    /// What has happened today does not allow it.
    #[error(transparent)]
    Refused(#[from] AttendanceRefusal),
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(AttendanceError);

impl From<Unproved> for AttendanceError {
    fn from(_: Unproved) -> Self {
        Self::MfaRequired
    }
}

/// What the use-cases of attendance share.
#[derive(Clone)]
pub struct AttendanceDesk {
    /// Database.
    pub store: Arc<dyn Store>,
    /// Now.
    pub clock: Arc<dyn Clock>,
    /// Identifiers.
    pub entropy: Arc<dyn Entropy>,
    /// Marks of requests that may come again.
    pub guard: GuessGuard,
    /// Days, where the deployment is.
    pub calendar: Calendar,
}

/// How a person's day stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttendanceStatus {
    /// Today, where the deployment is.
    pub date: LocalDate,
    /// The name of its time zone.
    pub time_zone: String,
    /// Whether they checked in today.
    pub checked_in: bool,
    /// Whether they checked out of today.
    pub checked_out: bool,
    /// The row that a check-out would close, of today or of a day that is not over for them; else that of today.
    pub attendance: Option<Attendance>,
}

/// A person's own coming and going.
pub struct Attendances {
    desk: AttendanceDesk,
}

impl Attendances {
    /// The use-case with its dependencies.
    pub fn new(desk: AttendanceDesk) -> Self {
        Self { desk }
    }

    /// How a person's day stands.
    pub async fn status(&self, user: UserId) -> Result<AttendanceStatus, AttendanceError> {
        let now = self.desk.clock.now();
        let date = self.desk.calendar.date(now);
        let mut tx = self.desk.store.read().await?;
        let latest = tx.attendance().latest(user).await?;
        let today = of_today(&mut *tx, user, date, latest.as_ref()).await?;
        Ok(AttendanceStatus {
            date,
            time_zone: self.desk.calendar.name().to_owned(),
            checked_in: today.is_some(),
            checked_out: today.as_ref().is_some_and(|row| row.left.is_some()),
            attendance: latest.filter(|row| row.is_open(now)).or(today),
        })
    }

    /// A page of a person's own rows, newest first. The page's filter is about them, whomever it names.
    pub async fn list(&self, user: UserId, mut page: AttendancePage) -> Result<Vec<Attendance>, AttendanceError> {
        page.filter.user = Some(user);
        Ok(self.desk.store.read().await?.attendance().list(&page).await?)
    }

    /// Checks in. Takes a second factor, always. A request that was carried out already is answered with what it did.
    pub async fn check_in(
        &self,
        caller: &Caller,
        remarks: Option<Remarks>,
        context: &RequestContext,
    ) -> Result<Attendance, AttendanceError> {
        let now = self.desk.clock.now();
        let (mut tx, user) = self.open(caller).await?;
        let latest = tx.attendance().latest(user.id).await?;
        if self.desk.guard.was_carried_out(&mut *tx, context.attempt.as_ref(), now).await? {
            return latest.ok_or_else(lost);
        }
        let date = self.desk.calendar.date(now);
        attendance::check_in(of_today(&mut *tx, user.id, date, latest.as_ref()).await?.as_ref())?;
        let entered = Presence { at: now, device: context.device.clone(), remarks };
        let id = AttendanceId(crate::random::user_id(&*self.desk.entropy).as_uuid());
        let row = Attendance { id, user_id: user.id, date, entered, left: None, reminded_at: None };
        match tx.attendance().insert(&row).await {
            Ok(()) => {}
            Err(StoreError::Conflict(Constraint::AttendanceDay)) => return Err(AttendanceRefusal::AlreadyIn.into()),
            Err(other) => return Err(other.into()),
        }
        finish(tx, AuditEventName::CheckedIn, &caller.claims, context, now).await?;
        Ok(row)
    }

    /// Checks out of the open row: of today, or of the day before when that is not over for the person. Takes a second factor,
    /// always.
    pub async fn check_out(
        &self,
        caller: &Caller,
        remarks: Option<Remarks>,
        context: &RequestContext,
    ) -> Result<Attendance, AttendanceError> {
        let now = self.desk.clock.now();
        let (mut tx, user) = self.open(caller).await?;
        let latest = tx.attendance().latest(user.id).await?;
        if self.desk.guard.was_carried_out(&mut *tx, context.attempt.as_ref(), now).await? {
            return latest.ok_or_else(lost);
        }
        let row = attendance::check_out(latest, self.desk.calendar.date(now), now)?;
        // Clocks of two replicas differ a little; nobody leaves before they came.
        let left = Presence { at: now.max(row.entered.at), device: context.device.clone(), remarks };
        if !tx.attendance().close(row.id, &left).await? {
            return Err(AttendanceRefusal::AlreadyOut.into());
        }
        finish(tx, AuditEventName::CheckedOut, &caller.claims, context, now).await?;
        Ok(Attendance { left: Some(left), ..row })
    }

    /// Opens a transaction about the caller, who must prove a second factor. Whoever else acts for the same person waits.
    async fn open(&self, caller: &Caller) -> Result<(Box<dyn Tx>, User), AttendanceError> {
        caller.require_factor()?;
        let mut tx = self.desk.store.begin().await?;
        let user = tx.users().get(caller.claims.subject).await?;
        let user = user.filter(|user| user.is_active() && user.epoch == caller.claims.epoch);
        let user = user.ok_or(AttendanceError::SessionOver)?;
        // The view of this replica may be a moment behind.
        if tx.revocations().is_revoked(&caller.claims).await? {
            return Err(AttendanceError::SessionOver);
        }
        Ok((tx, user))
    }
}

/// The row that stands for today: that of this day, or of a later one. There is a later one when the deployment moved to a zone
/// further west since; who came on it does not come again on a day before it.
async fn of_today(
    tx: &mut dyn Tx,
    user: UserId,
    today: LocalDate,
    latest: Option<&Attendance>,
) -> Result<Option<Attendance>, StoreError> {
    match latest.filter(|row| row.date >= today) {
        Some(row) => Ok(Some(row.clone())),
        None => tx.attendance().find(user, today).await,
    }
}

/// Writes the event and commits.
async fn finish(
    mut tx: Box<dyn Tx>,
    event: AuditEventName,
    claims: &AccessClaims,
    context: &RequestContext,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (user, session) = (Some(claims.subject), claims.session());
    record(&mut *tx, event, (user, user), Some(&session), context, now).await?;
    tx.commit().await
}

/// The mark of a request outlived what the request wrote.
fn lost() -> AttendanceError {
    AttendanceError::Failure(Failure::Internal("a request was carried out and its row is gone".into()))
}
