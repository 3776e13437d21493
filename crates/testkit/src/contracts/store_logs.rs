//! `RevocationLog` and `LoginHistory`.

use std::sync::Arc;

use keystead_application::ports::{LoginRecord, Store};
use keystead_application::testing::{
    START, a_login, a_revocation, a_super_admin, a_user, access_claims, after, an_actor, session_id, token_id, user_id,
    user_number,
};
use keystead_domain::Timestamp;
use keystead_domain::account::{Epoch, UserId};
use keystead_domain::token::{AccessClaims, DeviceInfo, Revocation, RevocationTarget, SessionId};

use super::{MICRO, RACERS, begin, commit, read};
use crate::race::race;

/// Ada and a second user, for stores that check references.
async fn users(store: &Arc<dyn Store>) {
    let mut tx = begin(store).await;
    tx.users().insert(&a_user(), None).await.unwrap();
    tx.users().insert(&user_number(2), None).await.unwrap();
    commit(tx).await;
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
        Revocation { target: RevocationTarget::Everybody, at: after(1) },
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

async fn append(store: &Arc<dyn Store>, target: RevocationTarget, at: Timestamp) -> Revocation {
    let row = Revocation { target, at };
    let mut tx = begin(store).await;
    tx.revocations().append(&row).await.unwrap();
    commit(tx).await;
    row
}

/// A row written under a clock that is behind is read by whoever goes on from the newest row, whatever the two are about.
pub async fn a_revocation_is_never_older_than_those_before_it(store: Arc<dyn Store>) {
    let of_session = |id: &str| RevocationTarget::Session(session_id(id));
    let ahead = append(&store, of_session("ahead"), after(100)).await;
    let behind = append(&store, of_session("behind"), START).await;
    let seen = read(&store).await.revocations().since(after(99)).await.unwrap();
    assert_eq!(seen, [ahead, Revocation { at: after(100), ..behind }]);

    let everybody = append(&store, RevocationTarget::Everybody, after(50)).await;
    let mut seen = read(&store).await.revocations().since(after(99)).await.unwrap();
    assert!(seen.contains(&Revocation { at: after(100), ..everybody }), "{seen:?}");
    append(&store, RevocationTarget::Everybody, after(200)).await;
    let behind = append(&store, of_session("far-behind"), after(150)).await;
    seen = read(&store).await.revocations().since(after(199)).await.unwrap();
    assert!(seen.contains(&Revocation { at: after(200), ..behind }), "{seen:?}");
}

async fn is_revoked(store: &Arc<dyn Store>, claims: &AccessClaims) -> bool {
    read(store).await.revocations().is_revoked(claims).await.unwrap()
}

async fn is_session_revoked(store: &Arc<dyn Store>, session: &SessionId, created_at: Timestamp) -> bool {
    read(store).await.revocations().is_session_revoked(session, created_at).await.unwrap()
}

/// A token ends by itself, with its session, or with its user's epoch; nothing else ends it.
pub async fn a_token_is_revoked_by_itself_its_session_or_its_users_epoch(store: Arc<dyn Store>) {
    users(&store).await;
    let claims = AccessClaims { token_id: token_id("mine.t"), epoch: Epoch::new(5), ..access_claims() };
    for (target, revoked) in [
        (RevocationTarget::Token(token_id("mine.other")), false),
        (RevocationTarget::Token(claims.token_id.clone()), true),
        (RevocationTarget::Session(session_id("other")), false),
        (RevocationTarget::Session(session_id("mine")), true),
        (RevocationTarget::Session(session_id("min")), false),
        (of_user(5, 1), false),
        (of_user(6, 1), true),
        (RevocationTarget::User { id: user_id(2), epoch: Epoch::new(9), sessions: Epoch::new(9) }, false),
    ] {
        let mut tx = begin(&store).await;
        tx.revocations().append(&Revocation { target: target.clone(), at: after(1) }).await.unwrap();
        assert_eq!(tx.revocations().is_revoked(&claims).await.unwrap(), revoked, "{target:?}");
        let answer = tx.revocations().is_session_revoked(&session_id("mine"), START).await.unwrap();
        assert_eq!(answer, target == RevocationTarget::Session(session_id("mine")), "{target:?}");
    }
    assert!(!is_revoked(&store, &AccessClaims { epoch: Epoch::new(0), ..claims }).await);
}

/// A token that names an actor ends with the actor's session and epoch, too. One that names none does not, and what it says
/// of its own subject is not said of the actor.
pub async fn a_token_ends_with_the_session_and_the_epoch_of_its_actor(store: Arc<dyn Store>) {
    users(&store).await;
    let plain = AccessClaims { epoch: Epoch::new(9), ..access_claims() };
    let acting = AccessClaims { actor: Some(an_actor()), ..plain.clone() };
    let of = |id: UserId, epoch: Epoch| RevocationTarget::User { id, epoch, sessions: Epoch::new(1) };
    let (admin, epoch) = (a_super_admin().id, an_actor().epoch);
    for (target, revoked) in [
        (RevocationTarget::Session(session_id("other")), false),
        (RevocationTarget::Session(an_actor().session), true),
        (of(admin, epoch), false),
        (of(admin, epoch.next()), true),
        (of(user_id(2), epoch.next()), false),
        // Later than the actor's epoch, which is another user's, and not than the subject's.
        (of(plain.subject, Epoch::new(9)), false),
        (of(plain.subject, Epoch::new(10)), true),
        (RevocationTarget::Session(plain.token_id.session()), true),
        (RevocationTarget::Token(plain.token_id.clone()), true),
    ] {
        let mut tx = begin(&store).await;
        tx.revocations().append(&Revocation { target: target.clone(), at: after(1) }).await.unwrap();
        assert_eq!(tx.revocations().is_revoked(&acting).await.unwrap(), revoked, "{target:?}");
        let of_subject = match &target {
            RevocationTarget::User { id, .. } => *id == plain.subject,
            RevocationTarget::Session(id) => *id == plain.token_id.session(),
            RevocationTarget::Token(_) | RevocationTarget::Everybody => true,
        };
        assert_eq!(tx.revocations().is_revoked(&plain).await.unwrap(), revoked && of_subject, "{target:?}");
    }
}

async fn ended_at(store: &Arc<dyn Store>) -> Option<Timestamp> {
    read(store).await.revocations().everybody_ended_at().await.unwrap()
}

/// Everybody's end is the end of every session and token made until then, of nothing made later, and counts anew each time.
/// A token's time has whole seconds: one of the same second is over.
pub async fn everybodys_end_ends_what_was_made_until_then(store: Arc<dyn Store>) {
    let id = session_id("somebodys");
    let made = |second: u64| {
        let auth_time = Timestamp::from_seconds(after(second).as_seconds());
        AccessClaims { auth_time, ..access_claims() }
    };
    assert_eq!(ended_at(&store).await, None);
    append(&store, RevocationTarget::Session(session_id("other")), START).await;
    assert!(!is_revoked(&store, &made(0)).await && !is_session_revoked(&store, &id, START).await);
    assert_eq!(ended_at(&store).await, None);

    for end in [10, 20] {
        let (before, at) = (after(end - 1), after(end));
        assert!(!is_revoked(&store, &made(end - 1)).await && !is_session_revoked(&store, &id, before).await);
        append(&store, RevocationTarget::Everybody, at).await;
        assert_eq!(ended_at(&store).await, Some(at));
        assert!(is_revoked(&store, &made(end - 1)).await && is_revoked(&store, &made(end)).await);
        assert!(!is_revoked(&store, &made(end + 1)).await);
        assert!(is_session_revoked(&store, &id, before).await && is_session_revoked(&store, &id, at).await);
        assert!(!is_session_revoked(&store, &id, at.plus(MICRO)).await);
        let seen = read(&store).await.revocations().since(before).await.unwrap();
        assert_eq!(seen, [Revocation { target: RevocationTarget::Everybody, at }]);
    }
}

/// An end that is not committed is none.
pub async fn a_rolled_back_end_of_everybody_is_none(store: Arc<dyn Store>) {
    let mut tx = begin(&store).await;
    let row = Revocation { target: RevocationTarget::Everybody, at: after(1) };
    tx.revocations().append(&row).await.unwrap();
    assert_eq!(tx.revocations().everybody_ended_at().await.unwrap(), Some(after(1)));
    drop(tx);
    assert!(!is_revoked(&store, &access_claims()).await);
    assert_eq!(ended_at(&store).await, None);
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

/// The list of everybody's logins has the same order, and pages in the same way.
pub async fn logins_of_everybody_page_without_gap(store: Arc<dyn Store>) {
    users(&store).await;
    let of_two = |record: LoginRecord| LoginRecord { user_id: user_id(2), ..record };
    let sorted = [login("e.t", 9), of_two(login("d.t", 5)), login("c.t", 5), of_two(login("b.t", 5)), login("a.t", 1)];
    let mut tx = begin(&store).await;
    for index in [2, 4, 0, 3, 1] {
        tx.login_history().append(&sorted[index]).await.unwrap();
    }
    commit(tx).await;
    let mut tx = read(&store).await;
    let mut listed: Vec<LoginRecord> = Vec::new();
    for expected in [2, 2, 1, 0] {
        let after = listed.last().map(|last| (last.at, last.token_id.clone()));
        let page = tx.login_history().list_all(after, 2).await.unwrap();
        assert_eq!(page.len(), expected);
        listed.extend(page);
    }
    assert_eq!(listed, sorted);
}

/// Only logins before the time are deleted, and they are counted.
pub async fn old_logins_are_deleted(store: Arc<dyn Store>) {
    users(&store).await;
    let kept = [login("d.t", 11), LoginRecord { user_id: user_id(2), ..login("c.t", 10) }];
    let mut tx = begin(&store).await;
    for record in [&login("a.t", 1), &LoginRecord { user_id: user_id(2), ..login("b.t", 9) }, &kept[0], &kept[1]] {
        tx.login_history().append(record).await.unwrap();
    }
    assert_eq!(tx.login_history().delete_before(after(10)).await.unwrap(), 2);
    assert_eq!(tx.login_history().delete_before(after(10)).await.unwrap(), 0);
    commit(tx).await;
    assert_eq!(read(&store).await.login_history().list_all(None, 9).await.unwrap(), kept);
}

/// All fields come back as written, to the microsecond, set or not.
pub async fn logins_survive_with_every_field(store: Arc<dyn Store>) {
    users(&store).await;
    let bare = LoginRecord { device: DeviceInfo::default(), at: START.plus(MICRO), ..login("bare.t", 0) };
    let impersonator = Some(a_super_admin().id);
    let acted = LoginRecord { impersonator, at: after(1), ..login("acted.t", 0) };
    let mut tx = begin(&store).await;
    for record in [&a_login(), &bare, &acted] {
        tx.login_history().append(record).await.unwrap();
    }
    commit(tx).await;
    let mut tx = read(&store).await;
    let expected = [acted, bare, a_login()];
    assert_eq!(tx.login_history().list(user_id(1), None, 9).await.unwrap(), expected);
    assert_eq!(tx.login_history().list_all(None, 9).await.unwrap(), expected);
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
