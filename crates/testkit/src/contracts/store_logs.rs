//! `AuditLog`, `RevocationLog` and `LoginHistory`.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use keystead_application::ports::{LoginRecord, Store};
use keystead_application::testing::{
    START, a_login, a_revocation, a_user, after, an_audit_event, session_id, token_id, user_id, user_number,
};
use keystead_domain::account::Epoch;
use keystead_domain::audit::{AuditEvent, AuditEventName};
use keystead_domain::token::{DeviceInfo, Revocation, RevocationTarget};

use super::{MICRO, RACERS, begin, commit, read};
use crate::race::race;

/// Ada and a second user, for stores that check references.
async fn users(store: &Arc<dyn Store>) {
    let mut tx = begin(store).await;
    tx.users().insert(&a_user(), None).await.unwrap();
    tx.users().insert(&user_number(2), None).await.unwrap();
    commit(tx).await;
}

/// All fields come back as written, to the microsecond, set or not.
pub async fn audit_events_survive_with_every_field(store: Arc<dyn Store>) {
    users(&store).await;
    let bare = AuditEvent {
        actor: None,
        session: None,
        device: DeviceInfo::default(),
        at: START.plus(MICRO),
        ..an_audit_event()
    };
    let six = DeviceInfo::new(Some(IpAddr::V6(Ipv6Addr::LOCALHOST)), Some("näme ' \" \\ 🦀"));
    let other = AuditEvent { actor: Some(user_id(2)), device: six, at: after(1), ..an_audit_event() };
    let about_nobody = AuditEvent { subject: None, actor: None, ..an_audit_event() };
    let mut tx = begin(&store).await;
    for event in [&an_audit_event(), &bare, &other, &about_nobody] {
        tx.audit().append(event).await.unwrap();
    }
    commit(tx).await;
    let listed = read(&store).await.audit().list_for_user(user_id(1), 9).await.unwrap();
    assert_eq!(listed, [other, bare, an_audit_event()]);
}

/// The newest of the events about one user, newest first, and never more than asked for.
pub async fn audit_events_of_a_user_come_newest_first(store: Arc<dyn Store>) {
    users(&store).await;
    let at = |seconds, user| AuditEvent { at: after(seconds), subject: Some(user_id(user)), ..an_audit_event() };
    let mut tx = begin(&store).await;
    for (seconds, user) in [(2, 1), (1, 1), (5, 2), (4, 1), (3, 1)] {
        tx.audit().append(&at(seconds, user)).await.unwrap();
    }
    commit(tx).await;
    let mut tx = read(&store).await;
    assert_eq!(tx.audit().list_for_user(user_id(1), 3).await.unwrap(), [at(4, 1), at(3, 1), at(2, 1)]);
    assert_eq!(tx.audit().list_for_user(user_id(2), 3).await.unwrap(), [at(5, 2)]);
    assert_eq!(tx.audit().list_for_user(user_id(3), 3).await.unwrap(), []);
}

/// Every event of the closed list can be written and read.
pub async fn every_audit_event_name_survives(store: Arc<dyn Store>) {
    users(&store).await;
    let mut tx = begin(&store).await;
    for (second, name) in (0..).zip(AuditEventName::ALL) {
        tx.audit().append(&AuditEvent { name: *name, at: after(second), ..an_audit_event() }).await.unwrap();
    }
    commit(tx).await;
    let listed = read(&store).await.audit().list_for_user(user_id(1), 1000).await.unwrap();
    let names: Vec<AuditEventName> = listed.iter().rev().map(|event| event.name).collect();
    assert_eq!(names, AuditEventName::ALL);
}

fn of_user(epoch: i64, sessions: i64) -> RevocationTarget {
    RevocationTarget::User { id: user_id(1), epoch: Epoch::new(epoch), sessions: Epoch::new(sessions) }
}

/// `append` is `true` for the first row of a target only; a user's counts per epoch.
pub async fn the_first_row_of_a_target_is_told(store: Arc<dyn Store>) {
    users(&store).await;
    let mut tx = begin(&store).await;
    for target in [
        RevocationTarget::Token(token_id("session-1.a")),
        RevocationTarget::Token(token_id("session-1.b")),
        RevocationTarget::Session(session_id("session-1")),
        of_user(2, 2),
        of_user(3, 2),
    ] {
        for (second, first) in [(1, true), (2, false), (3, false)] {
            let revocation = Revocation { target: target.clone(), at: after(second) };
            assert_eq!(tx.revocations().append(&revocation).await.unwrap(), first, "{target:?}");
        }
    }
    commit(tx).await;
}

/// Of many revocations of one target one is the first.
pub async fn of_parallel_revocations_of_one_target_one_is_first(store: Arc<dyn Store>) {
    let firsts = race(RACERS, |_| {
        let store = Arc::clone(&store);
        async move {
            let mut tx = begin(&store).await;
            let first = tx.revocations().append(&a_revocation()).await.unwrap();
            commit(tx).await;
            first
        }
    })
    .await;
    assert_eq!(firsts.iter().filter(|first| **first).count(), 1);
}

/// Rows strictly after a point, oldest first, with all their parts.
pub async fn revocations_since_a_point_come_oldest_first(store: Arc<dyn Store>) {
    users(&store).await;
    let rows = [
        Revocation { target: RevocationTarget::Session(session_id("s")), at: START },
        Revocation { target: RevocationTarget::Token(token_id("s.t")), at: START.plus(MICRO) },
        Revocation { target: of_user(5, 4), at: after(2) },
    ];
    let mut tx = begin(&store).await;
    for row in &rows {
        tx.revocations().append(row).await.unwrap();
    }
    commit(tx).await;
    let mut tx = read(&store).await;
    assert_eq!(tx.revocations().since(START.minus(MICRO)).await.unwrap(), rows);
    assert_eq!(tx.revocations().since(START).await.unwrap(), rows[1..]);
    assert_eq!(tx.revocations().since(after(2)).await.unwrap(), []);
}

/// A row written under a clock that is behind is read by whoever goes on from the newest row.
pub async fn a_revocation_is_never_older_than_those_before_it(store: Arc<dyn Store>) {
    let [ahead, behind] = [("ahead", after(100)), ("behind", START)]
        .map(|(id, at)| Revocation { target: RevocationTarget::Session(session_id(id)), at });
    for row in [&ahead, &behind] {
        let mut tx = begin(&store).await;
        tx.revocations().append(row).await.unwrap();
        commit(tx).await;
    }
    let seen = read(&store).await.revocations().since(after(99)).await.unwrap();
    assert_eq!(seen, [ahead, Revocation { at: after(100), ..behind }]);
}

/// A token ends by itself, with its session, or with its user's epoch; nothing else ends it.
pub async fn a_token_is_revoked_by_itself_its_session_or_its_users_epoch(store: Arc<dyn Store>) {
    users(&store).await;
    let (token, user) = (token_id("mine.t"), user_id(1));
    for (target, epoch, revoked) in [
        (RevocationTarget::Token(token_id("mine.other")), 5, false),
        (RevocationTarget::Token(token.clone()), 5, true),
        (RevocationTarget::Session(session_id("other")), 5, false),
        (RevocationTarget::Session(session_id("mine")), 5, true),
        (RevocationTarget::Session(session_id("min")), 5, false),
        (of_user(5, 1), 5, false),
        (of_user(6, 1), 5, true),
        (RevocationTarget::User { id: user_id(2), epoch: Epoch::new(9), sessions: Epoch::new(9) }, 5, false),
    ] {
        let mut tx = begin(&store).await;
        tx.revocations().append(&Revocation { target: target.clone(), at: after(1) }).await.unwrap();
        let answer = tx.revocations().is_revoked(&token, user, Epoch::new(epoch)).await.unwrap();
        assert_eq!(answer, revoked, "{target:?}");
        let answer = tx.revocations().is_session_revoked(&session_id("mine")).await.unwrap();
        assert_eq!(answer, target == RevocationTarget::Session(session_id("mine")), "{target:?}");
    }
    assert!(!read(&store).await.revocations().is_revoked(&token, user, Epoch::new(0)).await.unwrap());
}

/// Only rows before the point are deleted, and they are counted.
pub async fn old_revocations_are_deleted(store: Arc<dyn Store>) {
    let old = Revocation { target: RevocationTarget::Session(session_id("old")), at: after(1) };
    let new = Revocation { target: RevocationTarget::Session(session_id("new")), at: after(10) };
    let mut tx = begin(&store).await;
    tx.revocations().append(&old).await.unwrap();
    tx.revocations().append(&new).await.unwrap();
    assert_eq!(tx.revocations().delete_before(after(10)).await.unwrap(), 1);
    commit(tx).await;
    assert_eq!(read(&store).await.revocations().since(START).await.unwrap(), [new]);
}

fn login(token: &str, seconds: u64) -> LoginRecord {
    LoginRecord { token_id: token_id(token), at: after(seconds), ..a_login() }
}

/// Newest first, ties by token id descending, pages without gap or repeat, nobody else's.
pub async fn logins_come_newest_first_and_page_without_gap(store: Arc<dyn Store>) {
    users(&store).await;
    let foreign = LoginRecord { user_id: user_id(2), ..login("foreign.t", 3) };
    let sorted = [login("e.t", 9), login("d.t", 5), login("c.t", 5), login("b.t", 5), login("a.t", 1)];
    let mut tx = begin(&store).await;
    for record in [&sorted[2], &sorted[4], &foreign, &sorted[0], &sorted[3], &sorted[1]] {
        tx.login_history().append(record).await.unwrap();
    }
    commit(tx).await;
    let mut tx = read(&store).await;
    assert_eq!(tx.login_history().list(user_id(1), None, 99).await.unwrap(), sorted);
    let mut listed: Vec<LoginRecord> = Vec::new();
    for expected in [2, 2, 1, 0] {
        let after = listed.last().map(|last| (last.at, last.token_id.clone()));
        let page = tx.login_history().list(user_id(1), after, 2).await.unwrap();
        assert_eq!(page.len(), expected);
        listed.extend(page);
    }
    assert_eq!(listed, sorted);
    assert_eq!(tx.login_history().list(user_id(2), None, 99).await.unwrap(), [foreign]);
}

/// All fields come back as written, to the microsecond, set or not.
pub async fn logins_survive_with_every_field(store: Arc<dyn Store>) {
    users(&store).await;
    let bare = LoginRecord { device: DeviceInfo::default(), at: START.plus(MICRO), ..login("bare.t", 0) };
    let mut tx = begin(&store).await;
    tx.login_history().append(&a_login()).await.unwrap();
    tx.login_history().append(&bare).await.unwrap();
    commit(tx).await;
    let listed = read(&store).await.login_history().list(user_id(1), None, 9).await.unwrap();
    assert_eq!(listed, [bare, a_login()]);
}

/// Who signed in to a session owns it, and nobody else does.
pub async fn a_login_shows_who_owned_a_session(store: Arc<dyn Store>) {
    users(&store).await;
    let mut tx = begin(&store).await;
    tx.login_history().append(&login("mine_1.t", 1)).await.unwrap();
    commit(tx).await;
    let mut tx = read(&store).await;
    for (user, session, owns) in
        [(1, "mine_1", true), (2, "mine_1", false), (1, "mine", false), (1, "mineX1", false), (1, "t", false)]
    {
        let answer = tx.login_history().owns_session(user_id(user), &session_id(session)).await.unwrap();
        assert_eq!(answer, owns, "{user} {session}");
    }
}
