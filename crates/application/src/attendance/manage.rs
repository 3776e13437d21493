use std::collections::HashMap;
use std::collections::hash_map::Entry;

use keystead_domain::account::{Role, User, UserId};
use keystead_domain::attendance::Attendance;
use keystead_domain::audit::AuditEventName;
use keystead_domain::token::AccessClaims;

use super::{AttendanceDesk, AttendanceExport};
use crate::admin::{AdminDesk, AdminError};
use crate::context::RequestContext;
use crate::ports::{AttendanceFilter, AttendancePage, Store, StoreError};
use crate::service::{Caller, record_with};

/// A row, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttendanceView {
    /// The row.
    pub attendance: Attendance,
    /// Whose; `None` when they were deleted meanwhile.
    pub user: Option<User>,
}

/// Everybody's coming and going, for administrators to see. They change none of it.
pub struct ManageAttendances {
    desk: AttendanceDesk,
}

impl ManageAttendances {
    /// The use-case with its dependencies.
    pub fn new(desk: AttendanceDesk) -> Self {
        Self { desk }
    }

    /// A page of everybody's rows, newest first.
    pub async fn list(&self, caller: &Caller, page: &AttendancePage) -> Result<Vec<AttendanceView>, AdminError> {
        AdminDesk::require(caller, Role::Admin)?;
        Ok(views(&*self.desk.store, page).await?)
    }

    /// A page of one person's rows, newest first.
    pub async fn of_user(
        &self,
        caller: &Caller,
        user: UserId,
        mut page: AttendancePage,
    ) -> Result<Vec<AttendanceView>, AdminError> {
        AdminDesk::require(caller, Role::Admin)?;
        self.desk.store.read().await?.users().get(user).await?.ok_or(AdminError::NotFound)?;
        page.filter.user = Some(user);
        Ok(views(&*self.desk.store, &page).await?)
    }

    /// Begins to write everybody's rows to a file. That stands in the audit log before the first row is read.
    pub async fn export(
        &self,
        caller: &Caller,
        filter: AttendanceFilter,
        context: &RequestContext,
    ) -> Result<AttendanceExport, AdminError> {
        AdminDesk::require(caller, Role::Admin)?;
        let (claims, now) = (&caller.claims, self.desk.clock.now());
        let mut tx = self.desk.store.begin().await?;
        let admin = tx.users().get(claims.subject).await?;
        let is_who_they_say = |admin: &User| admin.is_active() && stands_for(admin, claims);
        if !admin.as_ref().is_some_and(is_who_they_say) || tx.revocations().is_revoked(claims).await? {
            return Err(AdminError::SessionOver);
        }
        let (who, session) = ((Some(claims.subject), filter.user), claims.session());
        let detail = (context, told(&filter));
        record_with(&mut *tx, AuditEventName::AttendancesExported, who, Some(&session), detail, now).await?;
        tx.commit().await?;
        Ok(AttendanceExport::new(self.desk.store.clone(), self.desk.calendar.clone(), filter))
    }
}

/// Whether claims still say of an administrator what is so.
fn stands_for(admin: &User, claims: &AccessClaims) -> bool {
    admin.role == claims.role && admin.epoch == claims.epoch
}

/// Which rows, for the audit log.
fn told(filter: &AttendanceFilter) -> String {
    let days = match (filter.from, filter.to) {
        (None, None) => "all days".to_owned(),
        (Some(from), None) => format!("from {from}"),
        (None, Some(to)) => format!("until {to}"),
        (Some(from), Some(to)) => format!("from {from} until {to}"),
    };
    match filter.open {
        None => days,
        Some(true) => format!("{days}, open"),
        Some(false) => format!("{days}, closed"),
    }
}

/// A page of rows with whose they are, from one state of the store.
pub(super) async fn views(store: &dyn Store, page: &AttendancePage) -> Result<Vec<AttendanceView>, StoreError> {
    let mut tx = store.read().await?;
    let rows = tx.attendance().list(page).await?;
    let mut users: HashMap<UserId, Option<User>> = HashMap::new();
    for row in &rows {
        if let Entry::Vacant(unknown) = users.entry(row.user_id) {
            unknown.insert(tx.users().get(row.user_id).await?);
        }
    }
    let view = |row: Attendance| AttendanceView { user: users.get(&row.user_id).cloned().flatten(), attendance: row };
    Ok(rows.into_iter().map(view).collect())
}
