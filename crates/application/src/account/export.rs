use std::sync::Arc;

use keystead_domain::account::{PendingContact, User};
use keystead_domain::attendance::Attendance;
use keystead_domain::audit::AuditEvent;
use keystead_domain::factor::{Enrolled, Passkey};
use keystead_domain::social::SocialIdentity;
use keystead_domain::token::{AccessClaims, Session};
use thiserror::Error;

use crate::failure::{Failure, fails_with};
use crate::ports::{AttendanceFilter, AttendancePage, Clock, LoginRecord, SessionStore, Store};

/// Most rows of each kind in one export.
const MOST: u32 = 10_000;

/// Why nothing was exported.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExportAccountError {
    /// The account ended meanwhile.
    #[error("there is no such account")]
    NotFound,
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(ExportAccountError);

/// Everything kept about a person, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountExport {
    /// The account.
    pub user: User,
    /// TOTP, recovery codes: how many, never the secrets.
    pub enrolled: Enrolled,
    /// Passkeys.
    pub passkeys: Vec<Passkey>,
    /// Accounts elsewhere that open this one.
    pub social: Vec<SocialIdentity>,
    /// Addresses that wait for their proof.
    pub pending_contacts: Vec<PendingContact>,
    /// Living sessions.
    pub sessions: Vec<Session>,
    /// Logins, newest first.
    pub logins: Vec<LoginRecord>,
    /// Coming and going, newest first.
    pub attendances: Vec<Attendance>,
    /// Security events, newest first.
    pub events: Vec<AuditEvent>,
}

/// Gives a person a copy of their data. It answers a GET, so it writes nothing.
pub struct ExportAccount {
    store: Arc<dyn Store>,
    sessions: Arc<dyn SessionStore>,
    clock: Arc<dyn Clock>,
}

impl ExportAccount {
    /// The use-case with its dependencies.
    pub fn new(store: Arc<dyn Store>, sessions: Arc<dyn SessionStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, sessions, clock }
    }

    /// Runs it.
    pub async fn run(&self, claims: &AccessClaims) -> Result<AccountExport, ExportAccountError> {
        let sessions = self.sessions.list(claims.subject, self.clock.now()).await?;
        let mut tx = self.store.read().await?;
        let user = tx.users().get(claims.subject).await?.ok_or(ExportAccountError::NotFound)?;
        let enrolled = tx.factors().enrolled(user.id).await?;
        let passkeys = tx.passkeys().list(user.id).await?;
        let social = tx.social().list(user.id).await?;
        let pending_contacts = tx.contacts().list(user.id, self.clock.now()).await?;
        let logins = tx.login_history().list(claims.subject, None, MOST).await?;
        let filter = AttendanceFilter { user: Some(user.id), ..AttendanceFilter::default() };
        let attendances = tx.attendance().list(&AttendancePage { filter, after: None, size: MOST }).await?;
        let events = tx.audit().list_for_user(claims.subject, MOST).await?;
        Ok(AccountExport { user, enrolled, passkeys, social, pending_contacts, sessions, logins, attendances, events })
    }
}

#[cfg(test)]
mod tests {
    use keystead_domain::attendance::AttendanceId;

    use super::*;
    use crate::test_world::World;
    use crate::testing::{
        Audit, a_login, a_passkey, a_user, access_claims, an_attendance, an_audit_event, user_id, user_number,
    };

    #[tokio::test]
    async fn a_person_gets_their_own_rows_and_nobody_elses() {
        let world = World::with(a_user());
        world.add(user_number(2));
        let mine = world.sign_in(&a_user()).await;
        world.sign_in(&user_number(2)).await;
        world.rows.prepare(|state| {
            state.login_history.0 = vec![a_login(), LoginRecord { user_id: user_id(2), ..a_login() }];
            let foreign = AuditEvent { subject: Some(user_id(2)), ..an_audit_event() };
            state.audit = Audit::with([an_audit_event(), foreign]);
            let foreign = AttendanceId(user_id(2).as_uuid());
            let foreign = Attendance { id: foreign, user_id: user_id(2), ..an_attendance() };
            state.attendance.0 = [an_attendance(), foreign].map(|row| (row.id, row)).into();
        });
        world.enroll_totp(&a_user());
        let mut tx = world.store.begin().await.unwrap();
        tx.passkeys().insert(&a_passkey()).await.unwrap();
        tx.commit().await.unwrap();
        let before = format!("{:?}", world.rows.state());
        let export = ExportAccount::new(world.store.clone(), world.sessions.clone(), world.clock.clone());
        let copy = export.run(&mine.claims).await.unwrap();
        assert_eq!(copy.user, a_user());
        assert_eq!((copy.passkeys, copy.enrolled.totp), (vec![a_passkey()], true));
        assert_eq!(copy.sessions.iter().map(|session| session.id.clone()).collect::<Vec<_>>(), [mine.claims.session()]);
        assert_eq!((copy.logins, copy.events), (vec![a_login()], vec![an_audit_event()]));
        assert_eq!(copy.attendances, [an_attendance()]);
        assert_eq!(format!("{:?}", world.rows.state()), before, "it answers a GET");
    }

    #[tokio::test]
    async fn an_account_that_is_gone_has_no_copy() {
        let world = World::default();
        let export = ExportAccount::new(world.store.clone(), world.sessions.clone(), world.clock.clone());
        assert_eq!(export.run(&access_claims()).await, Err(ExportAccountError::NotFound));
    }
}
