use std::time::Duration;

use keystead_domain::Timestamp;
use keystead_domain::account::{AccountStatus, FullName, User};
use keystead_domain::attendance::{Attendance, AttendanceRefusal, LONGEST_STAY, Remarks};
use keystead_domain::audit::AuditEventName;
use keystead_domain::token::{AccessClaims, Revocation, RevocationTarget};

use super::*;
use crate::admin::AdminError;
use crate::failure::Failure;
use crate::ports::{AttendanceFilter, AttendancePage, Clock, Constraint, StoreError};
use crate::service::Caller;
use crate::test_world::{Parts, World, again, browser, caller, down, proved};
use crate::testing::{
    MockStore, MockTx, START, a_device, a_presence, a_user, access_claims, after, an_actor, an_admin, an_attendance,
    local_date, user_number,
};

const HOUR: u64 = 3600;

fn desk(parts: &Parts, zone: &str) -> AttendanceDesk {
    AttendanceDesk {
        store: parts.store.clone(),
        clock: parts.clock.clone(),
        entropy: parts.entropy.clone(),
        guard: parts.guard(),
        calendar: Calendar::try_new(zone).unwrap(),
    }
}

fn own(parts: &Parts) -> Attendances {
    Attendances::new(desk(parts, "UTC"))
}

fn manage(parts: &Parts) -> ManageAttendances {
    ManageAttendances::new(desk(parts, "UTC"))
}

async fn ada(world: &World) -> Caller {
    proved(&world.sign_in(&a_user()).await.claims)
}

fn rows(world: &World) -> Vec<Attendance> {
    world.rows.state().attendance.0.values().cloned().collect()
}

fn everybody() -> AttendancePage {
    AttendancePage { size: 100, ..AttendancePage::default() }
}

#[tokio::test]
async fn a_day_is_entered_and_left_once_and_both_ends_are_written_down() {
    let world = World::with(a_user());
    let ada = ada(&world).await;
    let remarks = |text| Remarks::try_new(text).unwrap();
    let row = own(&world).check_in(&ada, remarks("early"), &browser()).await.unwrap();
    assert_eq!((row.date, row.entered.at, row.entered.device.clone()), (local_date("2027-01-15"), START, a_device()));
    let twice = own(&world).check_in(&ada, None, &browser()).await;
    assert_eq!(twice, Err(AttendanceRefusal::AlreadyIn.into()));
    world.clock.set(after(8 * 60));
    let left = own(&world).check_out(&ada, remarks("dentist"), &browser()).await.unwrap();
    assert_eq!(left.left.as_ref().map(|left| left.at), Some(after(8 * 60)));
    assert_eq!((left.id, &left.entered, rows(&world)), (row.id, &row.entered, vec![left.clone()]));
    let twice = own(&world).check_out(&ada, None, &browser()).await;
    assert_eq!(twice, Err(AttendanceRefusal::AlreadyOut.into()));
    let again = own(&world).check_in(&ada, None, &browser()).await;
    assert_eq!(again, Err(AttendanceRefusal::AlreadyIn.into()));
    let written: Vec<_> = world.events().into_iter().filter(|name| name.as_str().starts_with("attendance")).collect();
    assert_eq!(written, [AuditEventName::CheckedIn, AuditEventName::CheckedOut], "what is refused is no event");
}

#[tokio::test]
async fn without_a_proof_or_in_somebody_elses_name_nothing_is_even_looked_at() {
    let parts = Parts::default();
    let acting = proved(&AccessClaims { actor: Some(an_actor()), ..access_claims() });
    for caller in [caller(&access_claims()), acting] {
        let entered = own(&parts).check_in(&caller, None, &browser()).await;
        assert_eq!(entered, Err(AttendanceError::MfaRequired));
        assert_eq!(own(&parts).check_out(&caller, None, &browser()).await, Err(AttendanceError::MfaRequired));
    }
    let refused = manage(&parts);
    let user = proved(&access_claims());
    assert_eq!(refused.list(&user, &everybody()).await, Err(AdminError::Forbidden));
    assert_eq!(refused.of_user(&user, a_user().id, everybody()).await, Err(AdminError::Forbidden));
    let file = refused.export(&user, AttendanceFilter::default(), &browser()).await;
    assert_eq!(file.err(), Some(AdminError::Forbidden));
    let unproved = caller(&AccessClaims { role: keystead_domain::account::Role::Admin, ..access_claims() });
    assert_eq!(refused.list(&unproved, &everybody()).await, Err(AdminError::MfaRequired));
    let file = refused.export(&unproved, AttendanceFilter::default(), &browser()).await;
    assert_eq!(file.err(), Some(AdminError::MfaRequired));
}

#[tokio::test]
async fn whoever_was_put_out_meanwhile_checks_nothing_in() {
    let world = World::with(a_user());
    let ada = ada(&world).await;
    let row = Revocation { target: RevocationTarget::Session(ada.claims.session()), at: world.clock.now() };
    world.rows.prepare(|state| state.revocations.0 = vec![row]);
    assert_eq!(own(&world).check_in(&ada, None, &browser()).await, Err(AttendanceError::SessionOver));
    world.rows.prepare(|state| state.revocations.0.clear());
    world.add(User { status: AccountStatus::Banned, ..a_user() });
    assert_eq!(own(&world).check_in(&ada, None, &browser()).await, Err(AttendanceError::SessionOver));
    assert_eq!(own(&world).check_out(&ada, None, &browser()).await, Err(AttendanceError::SessionOver));
    assert_eq!(rows(&world), []);
}

#[tokio::test]
async fn a_request_that_comes_again_is_answered_with_what_it_did() {
    let world = World::with(a_user());
    let ada = ada(&world).await;
    let row = own(&world).check_in(&ada, None, &again(1)).await.unwrap();
    assert_eq!(own(&world).check_in(&ada, None, &again(1)).await, Ok(row));
    assert_eq!(own(&world).check_in(&ada, None, &again(2)).await, Err(AttendanceRefusal::AlreadyIn.into()));
    let left = own(&world).check_out(&ada, None, &again(3)).await.unwrap();
    assert_eq!(own(&world).check_out(&ada, None, &again(3)).await, Ok(left));
    // What was refused left no mark.
    assert_eq!(own(&world).check_out(&ada, None, &again(2)).await, Err(AttendanceRefusal::AlreadyOut.into()));
    assert_eq!((rows(&world).len(), world.events().len()), (1, 2));
}

#[tokio::test]
async fn a_race_that_the_database_decides_is_a_second_check_in_and_nothing_is_kept() {
    let mut tx = MockTx::new();
    tx.users.expect_get().return_once(|_| Ok(Some(a_user())));
    tx.revocations.expect_is_revoked().return_once(|_| Ok(false));
    tx.attendance.expect_latest().return_once(|_| Ok(None));
    tx.attendance.expect_find().return_once(|_, _| Ok(None));
    tx.attendance.expect_insert().return_once(|_| Err(StoreError::Conflict(Constraint::AttendanceDay)));
    let (store, outcome) = MockStore::with(tx);
    let refused = own(&Parts::on(store)).check_in(&proved(&access_claims()), None, &browser()).await;
    assert_eq!(refused, Err(AttendanceRefusal::AlreadyIn.into()));
    assert!(outcome.rolled_back());
}

#[tokio::test]
async fn a_row_that_somebody_else_closed_first_stays_as_it_is() {
    let mut tx = MockTx::new();
    tx.users.expect_get().return_once(|_| Ok(Some(a_user())));
    tx.revocations.expect_is_revoked().return_once(|_| Ok(false));
    tx.attendance.expect_latest().return_once(|_| Ok(Some(an_attendance())));
    tx.attendance.expect_close().return_once(|_, _| Ok(false));
    let (store, outcome) = MockStore::with(tx);
    let refused = own(&Parts::on(store)).check_out(&proved(&access_claims()), None, &browser()).await;
    assert_eq!(refused, Err(AttendanceRefusal::AlreadyOut.into()));
    assert!(outcome.rolled_back());
}

#[tokio::test]
async fn a_commit_that_fails_is_not_taken_for_a_check_in() {
    let mut tx = MockTx::new().failing(down());
    tx.users.expect_get().return_once(|_| Ok(Some(a_user())));
    tx.revocations.expect_is_revoked().return_once(|_| Ok(false));
    tx.attendance.expect_latest().return_once(|_| Ok(None));
    tx.attendance.expect_find().return_once(|_, _| Ok(None));
    tx.attendance.expect_insert().return_once(|_| Ok(()));
    tx.audit.expect_append().return_once(|_| Ok(()));
    let (store, _) = MockStore::with(tx);
    let failed = own(&Parts::on(store)).check_in(&proved(&access_claims()), None, &browser()).await;
    assert!(matches!(failed, Err(AttendanceError::Failure(Failure::Unavailable(_)))), "{failed:?}");
}

#[tokio::test]
async fn who_works_past_midnight_leaves_the_day_they_came_on() {
    let world = World::with(a_user());
    let mut ada = ada(&world).await;
    let row = own(&world).check_in(&ada, None, &browser()).await.unwrap();
    // START is 08:00 of 15 January 2027.
    world.clock.set(after(18 * HOUR));
    let status = own(&world).status(a_user().id).await.unwrap();
    assert_eq!((status.date, status.checked_in, status.checked_out), (local_date("2027-01-16"), false, false));
    assert_eq!(status.attendance, Some(row.clone()), "what a check-out would close");
    let left = own(&world).check_out(&ada, None, &browser()).await.unwrap();
    assert_eq!((left.id, left.date), (row.id, local_date("2027-01-15")));
    assert_eq!(own(&world).status(a_user().id).await.unwrap().attendance, None);
    let today = own(&world).check_in(&ada, None, &browser()).await.unwrap();
    assert_eq!(today.date, local_date("2027-01-16"));
    // Whoever forgot to check out comes on the next day all the same, and leaves that one.
    world.clock.set(after(18 * HOUR + LONGEST_STAY.as_secs() + 1));
    ada = proved(&world.sign_in(&a_user()).await.claims);
    assert_eq!(own(&world).check_out(&ada, None, &browser()).await, Err(AttendanceRefusal::NotIn.into()));
    let next = own(&world).check_in(&ada, None, &browser()).await.unwrap();
    assert_eq!(own(&world).check_out(&ada, None, &browser()).await.unwrap().id, next.id);
    assert_eq!(rows(&world).iter().filter(|row| row.left.is_none()).count(), 1);
}

#[tokio::test]
async fn the_status_says_what_is_possible() {
    let world = World::with(a_user());
    let ada = ada(&world).await;
    let facts = async || {
        let status = own(&world).status(a_user().id).await.unwrap();
        assert_eq!((status.date, status.time_zone.as_str()), (local_date("2027-01-15"), "UTC"));
        (status.checked_in, status.checked_out, status.attendance)
    };
    assert_eq!(facts().await, (false, false, None));
    let row = own(&world).check_in(&ada, None, &browser()).await.unwrap();
    assert_eq!(facts().await, (true, false, Some(row)));
    let row = own(&world).check_out(&ada, None, &browser()).await.unwrap();
    assert_eq!(facts().await, (true, true, Some(row)));
}

#[tokio::test]
async fn a_deployment_that_moves_keeps_open_rows_and_makes_no_second_of_a_day() {
    let world = World::with(a_user());
    let ada = ada(&world).await;
    let at = |zone: &str| Attendances::new(desk(&world, zone));
    world.clock.set(after(3 * HOUR));
    // 11:00 in UTC is 01:00 of the next day in the far east.
    let row = at("Pacific/Kiritimati").check_in(&ada, None, &browser()).await.unwrap();
    assert_eq!(row.date, local_date("2027-01-16"));
    let west = at("America/Los_Angeles");
    assert_eq!(west.check_in(&ada, None, &browser()).await, Err(AttendanceRefusal::AlreadyIn.into()));
    let status = west.status(a_user().id).await.unwrap();
    assert_eq!((status.date, status.checked_in), (local_date("2027-01-15"), true));
    assert_eq!(status.attendance, Some(row.clone()));
    let left = west.check_out(&ada, None, &browser()).await.unwrap();
    assert_eq!((left.id, left.date), (row.id, row.date));
    assert_eq!(west.check_in(&ada, None, &browser()).await, Err(AttendanceRefusal::AlreadyIn.into()));
    assert_eq!(rows(&world).len(), 1);
}

#[tokio::test]
async fn lists_are_ones_own_newest_first_and_filtered() {
    let world = World::with(a_user());
    world.add(user_number(2));
    let of = |n: u16, user, date: &str, at: Timestamp, open: bool| Attendance {
        id: keystead_domain::attendance::AttendanceId(user_number(n).id.as_uuid()),
        user_id: user,
        date: local_date(date),
        entered: a_presence(at),
        left: (!open).then(|| a_presence(at.plus(Duration::from_secs(60)))),
        reminded_at: None,
    };
    let (mine, other) = (a_user().id, user_number(2).id);
    let all = [
        of(11, mine, "2027-01-13", START.minus(Duration::from_secs(48 * HOUR)), false),
        of(12, mine, "2027-01-14", START.minus(Duration::from_secs(24 * HOUR)), true),
        of(13, mine, "2027-01-15", START, false),
        of(14, other, "2027-01-15", START, true),
    ];
    world.rows.prepare(|state| state.attendance.0 = all.iter().map(|row| (row.id, row.clone())).collect());
    let list = async |page: AttendancePage| own(&world).list(mine, page).await.unwrap();
    assert_eq!(list(everybody()).await, [all[2].clone(), all[1].clone(), all[0].clone()]);
    let others = AttendanceFilter { user: Some(other), ..AttendanceFilter::default() };
    assert_eq!(list(AttendancePage { filter: others, ..everybody() }).await.len(), 3, "never somebody else's");
    let open = AttendanceFilter { open: Some(true), ..AttendanceFilter::default() };
    assert_eq!(list(AttendancePage { filter: open.clone(), ..everybody() }).await, [all[1].clone()]);
    let page = AttendancePage { after: Some((START, all[2].id)), size: 1, ..everybody() };
    assert_eq!(list(page).await, [all[1].clone()]);

    let admin = User { id: user_number(3).id, ..an_admin() };
    world.add(admin.clone());
    let admin = proved(&world.sign_in(&admin).await.claims);
    let page = AttendancePage { filter: open, ..everybody() };
    let views = manage(&world).list(&admin, &page).await.unwrap();
    let seen: Vec<_> = views.iter().map(|view| (view.attendance.id, view.user.as_ref().map(|user| user.id))).collect();
    assert_eq!(seen, [(all[3].id, Some(other)), (all[1].id, Some(mine))]);
    let of_other = manage(&world).of_user(&admin, other, everybody()).await.unwrap();
    assert_eq!(of_other.len(), 1);
    let nobody = manage(&world).of_user(&admin, user_number(9).id, everybody()).await;
    assert_eq!(nobody, Err(AdminError::NotFound));
}

#[tokio::test]
async fn a_file_holds_every_row_once_and_stands_in_the_log_before_it_is_read() {
    let world = World::with(a_user());
    let formula = User { full_name: Some(FullName::try_new("=cmd|'/C calc'!A0").unwrap()), ..user_number(2) };
    world.add(formula);
    world.add(an_admin());
    let admin = proved(&world.sign_in(&an_admin()).await.claims);
    world.rows.prepare(|state| {
        for n in 0..1001u16 {
            let mut bytes = [7; 16];
            bytes[..2].copy_from_slice(&n.to_be_bytes());
            let id = keystead_domain::attendance::AttendanceId(uuid::Uuid::from_bytes(bytes));
            // Many at the same moment: pages must not lose any.
            let row = Attendance { id, user_id: user_number(2).id, ..an_attendance() };
            state.attendance.0.insert(id, row);
        }
    });
    let mut export = manage(&world).export(&admin, AttendanceFilter::default(), &browser()).await.unwrap();
    assert_eq!(world.events(), [AuditEventName::AttendancesExported]);
    let (mut text, mut parts) = (String::new(), 0);
    while let Some(part) = export.next().await.unwrap() {
        text += &part;
        parts += 1;
    }
    assert_eq!(parts, 3);
    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
    assert_eq!((lines.len(), lines[0].split(',').count()), (1002, 14));
    let ids: std::collections::BTreeSet<&str> =
        lines[1..].iter().map(|line| line.rsplit(',').next().unwrap()).collect();
    assert_eq!(ids.len(), 1001);
    assert!(lines[1].contains(",\"'=cmd|'/C calc'!A0\","), "{}", lines[1]);
    assert!(lines[1].contains("\"2027-01-15T08:00:00+00:00\""), "{}", lines[1]);

    world.rows.prepare(|state| state.attendance.0.clear());
    let filter = AttendanceFilter { from: Some(local_date("2027-01-01")), open: Some(true), ..Default::default() };
    let mut empty = manage(&world).export(&admin, filter, &browser()).await.unwrap();
    assert_eq!(empty.next().await.unwrap().as_deref(), Some(HEADER));
    assert_eq!(empty.next().await, Ok(None));
    let told: Vec<_> = world.rows.state().audit.events().into_iter().map(|event| event.detail.unwrap()).collect();
    assert_eq!(told, ["all days", "from 2027-01-01, open"]);
}

#[tokio::test]
async fn an_administrator_who_was_put_out_gets_no_file() {
    let world = World::with(an_admin());
    let admin = proved(&world.sign_in(&an_admin()).await.claims);
    world.add(User { role: keystead_domain::account::Role::User, ..an_admin() });
    let refused = manage(&world).export(&admin, AttendanceFilter::default(), &browser()).await;
    assert_eq!(refused.err(), Some(AdminError::SessionOver));
    assert_eq!(world.events(), []);
}

#[test]
fn no_cell_is_a_formula_or_ends_early() {
    for (text, expected) in [
        ("", ""),
        ("plain", "\"plain\""),
        ("=1+1", "\"'=1+1\""),
        ("+49 30", "\"'+49 30\""),
        ("-1", "\"'-1\""),
        ("@SUM(A1)", "\"'@SUM(A1)\""),
        ("\t=1", "\"'\t'=1\""),
        ("\r=1", "\"'\r'=1\""),
        ("＝1", "\"'＝1\""),
        ("a=b", "\"a=b\""),
        ("say \"hi\", bye", "\"say \"\"hi\"\", bye\""),
        ("\"=1", "\"\"\"'=1\""),
        ("a;=1+1", "\"a;'=1+1\""),
        ("a\"; =1", "\"a\"\"; '=1\""),
        ("a, b; c", "\"a, b; c\""),
        ("x\",=1+1,\"", "\"x\"\",'=1+1,\"\"\""),
    ] {
        assert_eq!(cell(text), expected, "{text:?}");
    }
}
