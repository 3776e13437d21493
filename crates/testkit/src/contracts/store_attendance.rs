//! `AttendanceRepository`.

use std::sync::Arc;

use keystead_application::ports::{AttendanceFilter, AttendancePage, Constraint, Store, StoreError};
use keystead_application::testing::{START, a_presence, after, an_attendance, local_date, user_id, user_number};
use keystead_domain::Timestamp;
use keystead_domain::account::{AccountStatus, User};
use keystead_domain::attendance::{Attendance, AttendanceId, LocalDate, Presence, Remarks};
use keystead_domain::token::DeviceInfo;
use uuid::Uuid;

use super::{MICRO, RACERS, begin, commit, read, sole_winner};
use crate::race::race;

const DAY: u64 = 86_400;

fn id(number: u8) -> AttendanceId {
    AttendanceId(Uuid::from_bytes([number; 16]))
}

/// So many days after that of `START`.
fn date(day: u8) -> LocalDate {
    local_date(&format!("2027-01-{}", 15 + day))
}

/// An open row of a person and a day.
fn row(number: u8, owner: u16, day: u8) -> Attendance {
    let entered = a_presence(after(u64::from(day) * DAY));
    Attendance { id: id(number), user_id: user_id(owner), date: date(day), entered, ..an_attendance() }
}

fn closed(row: Attendance) -> Attendance {
    Attendance { left: Some(a_presence(row.entered.at.plus(MICRO))), ..row }
}

/// So many people, and these rows.
async fn fill(store: &Arc<dyn Store>, people: u16, rows: &[Attendance]) {
    let mut tx = begin(store).await;
    for number in 1..=people {
        tx.users().insert(&user_number(number), None).await.unwrap();
    }
    for row in rows {
        tx.attendance().insert(row).await.unwrap();
    }
    commit(tx).await;
}

async fn find(store: &Arc<dyn Store>, row: &Attendance) -> Option<Attendance> {
    read(store).await.attendance().find(row.user_id, row.date).await.unwrap()
}

async fn listed(store: &Arc<dyn Store>, filter: AttendanceFilter) -> Vec<Attendance> {
    let page = AttendancePage { filter, after: None, size: 99 };
    read(store).await.attendance().list(&page).await.unwrap()
}

async fn close(store: &Arc<dyn Store>, id: AttendanceId, left: &Presence) -> bool {
    let mut tx = begin(store).await;
    let closed = tx.attendance().close(id, left).await.unwrap();
    commit(tx).await;
    closed
}

async fn mark_reminded(store: &Arc<dyn Store>, id: AttendanceId, now: Timestamp) -> bool {
    let mut tx = begin(store).await;
    let marked = tx.attendance().mark_reminded(id, now).await.unwrap();
    commit(tx).await;
    marked
}

async fn to_remind(store: &Arc<dyn Store>, day: u8) -> Vec<AttendanceId> {
    let rows = read(store).await.attendance().to_remind(date(day), None, 99).await.unwrap();
    rows.iter().map(|row| row.id).collect()
}

/// A presence unlike [`a_presence`].
fn another_presence(at: Timestamp) -> Presence {
    let ip = "2001:db8::7".parse().unwrap();
    let remarks = Remarks::try_new(&"ö📱".repeat(Remarks::MAX / 2)).unwrap();
    Presence { at, device: DeviceInfo::new(Some(ip), Some("Überbrowser/1.0")), remarks }
}

/// All fields come back as written, to the microsecond, set or not, of a row that was inserted and one that was closed.
pub async fn every_field_survives(store: Arc<dyn Store>) {
    let empty = |at| Presence { at, device: DeviceInfo::default(), remarks: None };
    let full = Attendance {
        left: Some(another_presence(after(9).plus(MICRO))),
        reminded_at: Some(after(8).plus(MICRO)),
        ..row(1, 1, 0)
    };
    let bare = Attendance { entered: empty(START.plus(MICRO)), left: Some(empty(after(9))), ..row(2, 2, 0) };
    let first = Attendance { date: local_date("0001-01-01"), ..row(3, 3, 0) };
    let last = Attendance { date: local_date("9999-12-31"), ..row(4, 4, 0) };
    let rows = [full, bare, first, last, row(5, 5, 0), row(6, 6, 0)];
    fill(&store, 6, &rows).await;
    for row in &rows {
        assert_eq!(find(&store, row).await.as_ref(), Some(row));
    }
    for (row, left) in rows[4..].iter().zip([another_presence(after(7).plus(MICRO)), empty(after(7))]) {
        assert!(close(&store, row.id, &left).await);
        assert_eq!(find(&store, row).await, Some(Attendance { left: Some(left), ..row.clone() }));
    }
}

/// A row is found by its person and its day, and by no other.
pub async fn a_row_is_found_by_person_and_day(store: Arc<dyn Store>) {
    let rows = [row(1, 1, 0), row(2, 1, 1), row(3, 2, 0)];
    fill(&store, 2, &rows).await;
    for row in &rows {
        assert_eq!(find(&store, row).await.as_ref(), Some(row));
    }
    for missing in [row(0, 2, 1), row(0, 1, 2), row(0, 9, 0)] {
        assert_eq!(find(&store, &missing).await, None);
    }
}

/// A person's latest row is that with the newest check-in, whatever its day and whether it is open.
pub async fn the_latest_row_has_the_newest_check_in(store: Arc<dyn Store>) {
    // A deployment that moved west: the later check-in is on the earlier day.
    let entered = a_presence(after(2 * DAY + 60));
    let latest = Attendance { entered, date: date(1), ..closed(row(2, 1, 0)) };
    fill(&store, 3, &[row(1, 1, 2), latest.clone(), row(3, 1, 0), row(4, 2, 3)]).await;
    let mut tx = read(&store).await;
    assert_eq!(tx.attendance().latest(user_id(1)).await.unwrap(), Some(latest));
    assert_eq!(tx.attendance().latest(user_id(2)).await.unwrap(), Some(row(4, 2, 3)));
    assert_eq!(tx.attendance().latest(user_id(3)).await.unwrap(), None);
}

/// A second row of a person and day is a `Conflict`, whether the first is open or closed, and the transaction goes on.
pub async fn a_second_row_of_a_day_conflicts_and_leaves_the_transaction_usable(store: Arc<dyn Store>) {
    let rows = [row(1, 1, 0), closed(row(2, 2, 0))];
    fill(&store, 2, &rows).await;
    let mut tx = begin(&store).await;
    for owner in [1, 2] {
        let refused = tx.attendance().insert(&row(3, owner, 0)).await;
        assert_eq!(refused, Err(StoreError::Conflict(Constraint::AttendanceDay)));
    }
    tx.attendance().insert(&row(3, 1, 1)).await.expect("the transaction is still usable");
    commit(tx).await;
    assert_eq!(listed(&store, AttendanceFilter::default()).await, [row(3, 1, 1), rows[0].clone(), rows[1].clone()]);
}

/// Of many check-ins of a person on a day one succeeds; the others lose by `Conflict`.
pub async fn of_parallel_check_ins_of_a_day_one_wins(store: Arc<dyn Store>) {
    fill(&store, 1, &[]).await;
    let results = race(RACERS, |racer| {
        let (store, row) = (Arc::clone(&store), row(u8::try_from(racer).unwrap(), 1, 0));
        async move {
            let mut tx = begin(&store).await;
            match tx.attendance().insert(&row).await {
                Ok(()) => {
                    commit(tx).await;
                    Some(row)
                }
                Err(error) => {
                    assert_eq!(error, StoreError::Conflict(Constraint::AttendanceDay));
                    None
                }
            }
        }
    })
    .await;
    let winner = sole_winner(results);
    assert_eq!(listed(&store, AttendanceFilter::default()).await, [winner]);
}

/// A check-in without a commit was none.
pub async fn a_rolled_back_check_in_is_none(store: Arc<dyn Store>) {
    fill(&store, 1, &[]).await;
    let mut tx = begin(&store).await;
    tx.attendance().insert(&row(1, 1, 0)).await.unwrap();
    drop(tx);
    assert_eq!(find(&store, &row(1, 1, 0)).await, None);
    fill(&store, 0, &[row(2, 1, 0)]).await;
    assert_eq!(find(&store, &row(2, 1, 0)).await, Some(row(2, 1, 0)));
}

/// Of many check-outs of a row one closes it, and the row is as that one left it.
pub async fn a_row_is_closed_once(store: Arc<dyn Store>) {
    fill(&store, 2, &[row(1, 1, 0), row(2, 2, 0)]).await;
    let results = race(RACERS, |racer| {
        let store = Arc::clone(&store);
        async move {
            let left = a_presence(after(racer as u64 + 1));
            close(&store, id(1), &left).await.then_some(left)
        }
    })
    .await;
    let winner = sole_winner(results);
    assert_eq!(find(&store, &row(1, 1, 0)).await, Some(Attendance { left: Some(winner), ..row(1, 1, 0) }));
    assert_eq!(find(&store, &row(2, 2, 0)).await, Some(row(2, 2, 0)));
}

/// A closed row never changes: it is not closed again and nobody is reminded of it. There is nothing to do about no row.
pub async fn a_closed_row_never_changes(store: Arc<dyn Store>) {
    let row = closed(row(1, 1, 0));
    fill(&store, 1, std::slice::from_ref(&row)).await;
    for id in [row.id, id(9)] {
        assert!(!close(&store, id, &another_presence(after(99))).await);
        assert!(!mark_reminded(&store, id, after(99)).await);
    }
    assert_eq!(listed(&store, AttendanceFilter::default()).await, [row]);
}

/// A filter lets through what passes all of its parts; without any, everything.
pub async fn a_list_holds_what_passes_the_filter(store: Arc<dyn Store>) {
    let rows = [row(0, 1, 0), closed(row(1, 1, 1)), row(2, 1, 2), closed(row(3, 2, 1)), row(4, 2, 3)];
    fill(&store, 2, &rows).await;
    let everything = AttendanceFilter::default;
    let of = |user| AttendanceFilter { user: Some(user_id(user)), ..everything() };
    let from = |day| AttendanceFilter { from: Some(date(day)), ..everything() };
    let to = |day| AttendanceFilter { to: Some(date(day)), ..everything() };
    let open = |open| AttendanceFilter { open: Some(open), ..everything() };
    for (filter, expected) in [
        (everything(), &[4, 2, 1, 3, 0][..]),
        (of(1), &[2, 1, 0]),
        (of(9), &[]),
        (from(1), &[4, 2, 1, 3]),
        (from(4), &[]),
        (to(1), &[1, 3, 0]),
        (AttendanceFilter { to: Some(date(2)), ..from(1) }, &[2, 1, 3]),
        (AttendanceFilter { to: Some(date(1)), ..from(2) }, &[]),
        (open(true), &[4, 2, 0]),
        (open(false), &[1, 3]),
        (AttendanceFilter { open: Some(true), ..of(2) }, &[4]),
        (AttendanceFilter { user: Some(user_id(1)), open: Some(false), to: Some(date(1)), ..from(1) }, &[1]),
        (AttendanceFilter { user: Some(user_id(2)), open: Some(true), to: Some(date(1)), ..from(0) }, &[]),
    ] {
        let expected: Vec<Attendance> = expected.iter().map(|index| rows[*index].clone()).collect();
        assert_eq!(listed(&store, filter.clone()).await, expected, "{filter:?}");
    }
}

/// A day holds every check-in that was on it where the deployment is, from the east of the date line to the west of it.
pub async fn a_day_is_a_local_one(store: Arc<dyn Store>) {
    let midnight = Timestamp::from_seconds(START.as_seconds() - START.as_seconds() % 86_400);
    let at = |number: u8, at: Timestamp| Attendance { entered: a_presence(at), ..row(number, number.into(), 1) };
    let noon = midnight.plus(std::time::Duration::from_secs(DAY / 2));
    let latest = noon.plus(std::time::Duration::from_secs(2 * DAY)).minus(MICRO);
    let rows = [at(1, latest), at(2, after(DAY)), at(3, noon.minus(std::time::Duration::from_secs(2 * 3600)))];
    fill(&store, 3, &rows).await;
    let day = |day| AttendanceFilter { from: Some(date(day)), to: Some(date(day)), ..AttendanceFilter::default() };
    assert_eq!(listed(&store, day(1)).await, rows);
    assert_eq!(listed(&store, day(0)).await, []);
    assert_eq!(listed(&store, day(2)).await, []);
}

/// Pages go from the newest check-in to the oldest, equal ones by identifier, without gap or repeat, whatever comes to be
/// meanwhile.
pub async fn pages_go_from_the_newest_check_in_without_gap_or_repeat(store: Arc<dyn Store>) {
    // Person n comes in on day n / 4: four at the same microsecond.
    let mut rows: Vec<Attendance> = (1..=22).map(|number| row(number * 7 % 23, number.into(), number / 4)).collect();
    fill(&store, 30, &rows).await;
    rows.sort_by_key(|row| (std::cmp::Reverse(row.entered.at), row.id));
    for filter in [AttendanceFilter::default(), AttendanceFilter { from: Some(date(1)), ..AttendanceFilter::default() }]
    {
        let expected: Vec<&Attendance> =
            rows.iter().filter(|row| filter.from.is_none_or(|from| from <= row.date)).collect();
        let mut seen: Vec<Attendance> = Vec::new();
        loop {
            let after = seen.last().map(|row| (row.entered.at, row.id));
            let page = AttendancePage { filter: filter.clone(), after, size: 3 };
            let page = read(&store).await.attendance().list(&page).await.unwrap();
            assert!(page.len() <= 3);
            if page.is_empty() {
                break;
            }
            seen.extend(page);
            let (number, owner) = if filter.from.is_some() { (60, 30) } else { (50, 29) };
            if seen.len() == 3 {
                fill(&store, 0, &[row(number, owner, 9)]).await;
            }
        }
        seen.retain(|row| row.date != date(9));
        assert_eq!(seen.iter().collect::<Vec<_>>(), expected);
    }
}

/// Whoever is to be reminded has an open row of the day, was not reminded and may use their account.
pub async fn who_is_reminded_is_still_in_and_may_use_the_account(store: Arc<dyn Store>) {
    let reminded = Attendance { reminded_at: Some(after(5)), ..row(3, 3, 0) };
    let rows = [row(1, 1, 0), closed(row(2, 2, 0)), reminded, row(4, 4, 0), row(5, 5, 0), row(6, 6, 1), row(7, 7, 0)];
    fill(&store, 7, &rows).await;
    let mut tx = begin(&store).await;
    for (number, status) in [(4, AccountStatus::Banned), (5, AccountStatus::Deactivated)] {
        tx.users().update(&User { status, ..user_number(number) }).await.unwrap();
    }
    commit(tx).await;
    assert_eq!(to_remind(&store, 0).await, [id(1), id(7)]);
    assert_eq!(to_remind(&store, 1).await, [id(6)]);
    assert_eq!(to_remind(&store, 2).await, []);
    assert!(close(&store, id(1), &a_presence(after(6))).await);
    assert!(mark_reminded(&store, id(6), after(6)).await);
    assert_eq!(to_remind(&store, 0).await, [id(7)]);
    assert_eq!(to_remind(&store, 1).await, []);
}

/// Rows to remind of come by identifier, in pages without gap or repeat.
pub async fn rows_to_remind_of_come_in_pages(store: Arc<dyn Store>) {
    let rows: Vec<Attendance> = (1..=10).map(|number| row(number * 7 % 11, number.into(), 0)).collect();
    fill(&store, 10, &rows).await;
    let mut tx = read(&store).await;
    let mut seen: Vec<Attendance> = Vec::new();
    loop {
        let last = seen.last().map(|row| row.id);
        let page = tx.attendance().to_remind(date(0), last, 4).await.unwrap();
        assert!(page.len() <= 4);
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen.iter().map(|row| row.id).collect::<Vec<_>>(), (1..=10).map(id).collect::<Vec<_>>());
    assert!(seen.iter().all(|row| rows.contains(row)));
}

/// Of many who note a reminder one does, and the row holds that one's time.
pub async fn a_row_is_reminded_of_once(store: Arc<dyn Store>) {
    fill(&store, 2, &[row(1, 1, 0), row(2, 2, 0)]).await;
    let results = race(RACERS, |racer| {
        let store = Arc::clone(&store);
        async move {
            let now = after(racer as u64).plus(MICRO);
            mark_reminded(&store, id(1), now).await.then_some(now)
        }
    })
    .await;
    let winner = sole_winner(results);
    assert_eq!(find(&store, &row(1, 1, 0)).await, Some(Attendance { reminded_at: Some(winner), ..row(1, 1, 0) }));
    assert_eq!(find(&store, &row(2, 2, 0)).await, Some(row(2, 2, 0)));
    assert!(close(&store, id(1), &a_presence(after(99))).await, "who was reminded can still check out");
}

/// A row cannot be both closed first and then reminded of: of the two at once each does its own, or the reminder is none.
pub async fn a_reminder_beside_a_check_out_keeps_both_or_is_none(store: Arc<dyn Store>) {
    let rows: Vec<Attendance> = (1..=16).map(|number| row(number, number.into(), 0)).collect();
    fill(&store, 16, &rows).await;
    let results = race(32, |racer| {
        let (store, row) = (Arc::clone(&store), id(u8::try_from(racer / 2).unwrap() + 1));
        async move {
            if racer % 2 == 0 {
                close(&store, row, &a_presence(after(10))).await
            } else {
                mark_reminded(&store, row, after(5)).await
            }
        }
    })
    .await;
    for (row, outcome) in rows.into_iter().zip(results.chunks(2)) {
        assert!(outcome[0], "nothing keeps a person from checking out");
        let reminded_at = outcome[1].then(|| after(5));
        let expected = Attendance { left: Some(a_presence(after(10))), reminded_at, ..row };
        assert_eq!(find(&store, &expected).await.as_ref(), Some(&expected));
    }
}
