//! `UserRepository`, as far as administrators and the deletion of accounts need it.

use std::sync::Arc;
use std::time::Duration;

use keystead_application::ports::{LoginRecord, Store, UserFilter, UserPage};
use keystead_application::testing::{
    START, a_contact_undo, a_link_token, a_login, a_pending_contact, a_recovery_code, a_registration,
    a_social_identity, a_stored_srp, a_super_admin, a_totp, a_user, after, an_admin, an_attendance, an_audit_event,
    contact, contact_id, email, fake_hash, passkey_number, phone, session_id, subject, token_id, user_id, user_number,
};
use keystead_domain::account::{
    AccountStatus, Address, Contact, ContactUndo, Epoch, LinkPurpose, LinkToken, LinkTokenHash, PendingContact,
    PendingRegistration, Role, UndoTokenHash, User, UserId,
};
use keystead_domain::attendance::{Attendance, AttendanceId};
use keystead_domain::audit::AuditEvent;
use keystead_domain::factor::{Enrolled, Passkey, Totp};
use keystead_domain::social::SocialIdentity;
use keystead_domain::token::{DeviceTokenHash, Revocation, RevocationTarget};
use tokio::time::timeout;
use uuid::Uuid;

use super::{MICRO, begin, commit, read};
use crate::race::race;

/// Nobody who is not held back takes as long, and whoever is held back takes for ever.
const WAIT: Duration = Duration::from_millis(300);

async fn insert(store: &Arc<dyn Store>, users: &[User]) {
    let mut tx = begin(store).await;
    for user in users {
        tx.users().insert(user, None).await.unwrap();
    }
    commit(tx).await;
}

/// The same, with passwords to sign in with.
async fn insert_with_passwords(store: &Arc<dyn Store>, users: &[User]) {
    insert(store, users).await;
    let mut tx = begin(store).await;
    for user in users {
        tx.users().set_password(user.id, &fake_hash("x"), START).await.unwrap();
    }
    commit(tx).await;
}

/// Whom a filter lets through, in the order of the list.
async fn listed(store: &Arc<dyn Store>, filter: UserFilter) -> Vec<UserId> {
    let page = UserPage { filter, size: 99, ..UserPage::default() };
    read(store).await.users().list(&page).await.unwrap().iter().map(|user| user.id).collect()
}

/// A filter lets through who passes all of its parts; without any, everybody.
pub async fn a_list_holds_who_passes_the_filter(store: Arc<dyn Store>) {
    let (banned, closed) = (AccountStatus::Banned, AccountStatus::Deactivated);
    insert(
        &store,
        &[
            user_number(1),
            User { role: Role::Admin, ..user_number(2) },
            User { status: banned, ..user_number(3) },
            User { role: Role::Admin, status: banned, ..user_number(4) },
            User { role: Role::SuperAdmin, ..user_number(5) },
            User { status: closed, ..user_number(6) },
        ],
    )
    .await;
    let of = |status: Option<AccountStatus>, role: Option<Role>| UserFilter { status, role, email_prefix: None };
    for (filter, expected) in [
        (of(None, None), &[1, 2, 3, 4, 5, 6][..]),
        (of(Some(AccountStatus::Active), None), &[1, 2, 5]),
        (of(Some(banned), None), &[3, 4]),
        (of(Some(closed), None), &[6]),
        (of(None, Some(Role::User)), &[1, 3, 6]),
        (of(None, Some(Role::Admin)), &[2, 4]),
        (of(None, Some(Role::SuperAdmin)), &[5]),
        (of(Some(banned), Some(Role::Admin)), &[4]),
        (of(Some(closed), Some(Role::Admin)), &[]),
        (UserFilter { email_prefix: Some("user4".into()), ..of(Some(banned), Some(Role::Admin)) }, &[4]),
        (UserFilter { email_prefix: Some("user3".into()), ..of(Some(banned), Some(Role::Admin)) }, &[]),
    ] {
        let expected: Vec<UserId> = expected.iter().map(|number| user_id(*number)).collect();
        assert_eq!(listed(&store, filter.clone()).await, expected, "{filter:?}");
    }
}

/// The beginning of an address is a text, no pattern, and compared byte by byte whatever the collation.
pub async fn the_beginning_of_an_address_is_taken_literally(store: Arc<dyn Store>) {
    let of = |number: u16, address: &str| User {
        email: Some(contact(user_id(number), email(address))),
        ..user_number(number)
    };
    let by_phone = User { email: None, phone: Some(contact(user_id(9), phone("+442079460958"))), ..user_number(9) };
    insert(
        &store,
        &[
            of(1, "a_b@example.com"),
            of(2, "axb@example.com"),
            of(3, "a%b@example.com"),
            of(4, "a-b@example.com"),
            of(5, "ab@example.com"),
            of(6, "azz@example.com"),
            of(7, "b@example.com"),
            of(8, "z.~@example.com"),
            by_phone,
        ],
    )
    .await;
    for (prefix, expected) in [
        ("a_", &[1][..]),
        ("ax", &[2]),
        ("a%", &[3]),
        ("a-", &[4]),
        ("ab", &[5]),
        ("a", &[1, 2, 3, 4, 5, 6]),
        ("b@example.com", &[7]),
        ("b@example.com.", &[]),
        ("z.~", &[8]),
        ("%", &[]),
        ("_", &[]),
        ("*", &[]),
        ("\\", &[]),
        ("a\\_", &[]),
        ("' OR '1'='1", &[]),
        ("+4420", &[]),
        ("é", &[]),
        ("a\u{10ffff}", &[]),
    ] {
        let filter = UserFilter { email_prefix: Some(prefix.to_owned()), ..UserFilter::default() };
        let expected: Vec<UserId> = expected.iter().map(|number| user_id(*number)).collect();
        assert_eq!(listed(&store, filter).await, expected, "{prefix:?}");
    }
}

/// Either way round, pages hold everybody once; whoever comes meanwhile moves nobody, and the last one seen need not pass
/// the filter any more.
pub async fn pages_go_either_way_without_gap_or_repeat(store: Arc<dyn Store>) {
    let mut users: Vec<User> =
        (0..7_u16).map(|n| User { created_at: after(u64::from(n * 5 % 4)), ..user_number(n) }).collect();
    insert(&store, &users).await;
    users.sort_by_key(|user| (user.created_at, user.id));
    for (newest_first, newcomer) in [(false, START.minus(MICRO)), (true, after(99))] {
        if newest_first {
            users.reverse();
        }
        let filter = UserFilter { status: Some(AccountStatus::Active), ..UserFilter::default() };
        let mut seen: Vec<UserId> = Vec::new();
        let mut after = None;
        for expected in [3, 3, 1, 0] {
            let page = UserPage { filter: filter.clone(), newest_first, after, size: 3 };
            let found = read(&store).await.users().list(&page).await.unwrap();
            assert_eq!(found.len(), expected);
            seen.extend(found.iter().map(|user| user.id));
            after = found.last().map(|user| (user.created_at, user.id)).or(after);
            if let (Some(last), true) = (found.last(), seen.len() == 3) {
                let number = 100 + u16::from(newest_first);
                let mut tx = begin(&store).await;
                let new = User { created_at: newcomer, status: AccountStatus::Active, ..user_number(number) };
                tx.users().insert(&new, None).await.unwrap();
                tx.users().update(&User { status: AccountStatus::Banned, ..last.clone() }).await.unwrap();
                commit(tx).await;
            }
        }
        assert_eq!(seen, users.iter().map(|user| user.id).collect::<Vec<_>>(), "newest first: {newest_first}");
        // For the other way round: as it was, without the newcomer.
        let mut tx = begin(&store).await;
        tx.users().update(&users[2]).await.unwrap();
        assert!(tx.users().delete(user_id(100 + u16::from(newest_first))).await.unwrap());
        commit(tx).await;
    }
}

/// A list goes on behind somebody who is gone.
pub async fn a_list_goes_on_behind_somebody_who_is_gone(store: Arc<dyn Store>) {
    let at = |n: u16| User { created_at: after(u64::from(n)), ..user_number(n) };
    insert(&store, &[at(1), at(3)]).await;
    for (newest_first, next) in [(false, at(3)), (true, at(1))] {
        let page = UserPage { newest_first, after: Some((after(2), user_id(2))), size: 9, ..UserPage::default() };
        assert_eq!(read(&store).await.users().list(&page).await.unwrap(), [next]);
    }
}

async fn has_other(store: &Arc<dyn Store>, than: UserId, role: Role) -> bool {
    begin(store).await.users().has_other_administrator(than, role).await.unwrap()
}

/// Only others count, who are active and have that role or more.
pub async fn another_administrator_is_active_and_has_the_role(store: Arc<dyn Store>) {
    let (admin, above) = (an_admin(), a_super_admin());
    insert(&store, &[a_user(), admin.clone(), above.clone()]).await;
    assert!(!has_other(&store, admin.id, Role::Admin).await, "whoever never chose a password is not there yet");
    let mut tx = begin(&store).await;
    tx.passkeys().insert(&Passkey { user_id: above.id, ..passkey_number(1) }).await.unwrap();
    tx.users().set_password(admin.id, &fake_hash("x"), START).await.unwrap();
    commit(tx).await;
    assert!(has_other(&store, admin.id, Role::Admin).await, "who has more counts");
    assert!(has_other(&store, above.id, Role::Admin).await);
    assert!(!has_other(&store, above.id, Role::SuperAdmin).await, "who has less does not");
    assert!(has_other(&store, admin.id, Role::SuperAdmin).await);
    assert!(has_other(&store, a_user().id, Role::SuperAdmin).await);
    for status in [AccountStatus::Banned, AccountStatus::Deactivated] {
        let mut tx = begin(&store).await;
        tx.users().update(&User { status, ..above.clone() }).await.unwrap();
        assert!(!tx.users().has_other_administrator(admin.id, Role::Admin).await.unwrap(), "{status:?}");
        assert!(tx.users().has_other_administrator(above.id, Role::Admin).await.unwrap(), "{status:?}");
    }
}

/// Who asks is told what the one who asked before did: until that is known they wait.
pub async fn who_asks_for_other_administrators_holds_others_back(store: Arc<dyn Store>) {
    let (one, two) = (an_admin(), User { role: Role::Admin, ..user_number(2) });
    insert_with_passwords(&store, &[one.clone(), two.clone()]).await;
    let mut first = begin(&store).await;
    assert!(first.users().has_other_administrator(one.id, Role::Admin).await.unwrap());
    let mut second = tokio::spawn({
        let (store, than) = (Arc::clone(&store), two.id);
        async move { has_other(&store, than, Role::Admin).await }
    });
    assert!(timeout(WAIT, &mut second).await.is_err(), "the second waits for the first");
    first.users().update(&User { status: AccountStatus::Banned, ..one }).await.unwrap();
    commit(first).await;
    assert!(!second.await.unwrap(), "and sees what it did");
}

/// Administrators who close each other's accounts at once, each after a look at the other: one is left, and nobody waits in
/// a circle.
pub async fn administrators_who_close_each_other_leave_one(store: Arc<dyn Store>) {
    const ADMINS: u16 = 8;
    let admins: Vec<User> = (0..ADMINS).map(|number| User { role: Role::Admin, ..user_number(number) }).collect();
    insert_with_passwords(&store, &admins).await;
    let closed = race(usize::from(ADMINS), |number| {
        let store = Arc::clone(&store);
        async move {
            let mut closed = 0;
            for step in 1..ADMINS {
                let other = user_id((u16::try_from(number).unwrap() + step) % ADMINS);
                let mut tx = begin(&store).await;
                let seen = tx.users().get(other).await.unwrap().unwrap();
                if !tx.users().has_other_administrator(other, Role::Admin).await.unwrap() {
                    continue;
                }
                closed += u16::from(seen.is_active());
                tx.users().update(&User { status: AccountStatus::Banned, ..seen }).await.unwrap();
                commit(tx).await;
            }
            closed
        }
    })
    .await;
    assert_eq!(closed.iter().sum::<u16>(), ADMINS - 1);
    assert_eq!(read(&store).await.users().count(AccountStatus::Active).await.unwrap(), 1);
}

/// Something of every kind that is kept for a user.
async fn keep_everything(store: &Arc<dyn Store>, number: u8) {
    let (id, now) = (user_id(u16::from(number)), after(1));
    let address = Address::Email(email(&format!("user{number}@example.com")));
    let user = User { phone: Some(contact(id, phone(&format!("+44207946095{number}")))), ..user_number(number.into()) };
    let mut tx = begin(store).await;
    tx.users().insert(&user, Some(fake_hash("x"))).await.unwrap();
    let claim = PendingRegistration { id: user_id(70 + u16::from(number)), address, ..a_registration() };
    tx.registrations().insert(&claim).await.unwrap();
    for purpose in [LinkPurpose::Reset, LinkPurpose::Activate] {
        let hash = LinkTokenHash([number * 2 + u8::from(purpose == LinkPurpose::Reset); 32]);
        tx.link_tokens().issue(&LinkToken { hash, purpose, user_id: Some(id), ..a_link_token() }).await.unwrap();
    }
    tx.factors().put_totp(&Totp { user_id: id, ..a_totp() }).await.unwrap();
    tx.factors().replace_recovery_codes(id, &[a_recovery_code("aaaa")], now).await.unwrap();
    tx.passkeys().insert(&Passkey { user_id: id, ..passkey_number(number) }).await.unwrap();
    let pending = PendingContact { id: contact_id(number), user_id: id, ..a_pending_contact() };
    tx.contacts().insert(&pending).await.unwrap();
    let contact = Contact { id: id.into(), ..a_contact_undo().contact };
    let undo = ContactUndo { hash: UndoTokenHash([number; 32]), user_id: id, contact, ..a_contact_undo() };
    tx.contacts().insert_undo(&undo).await.unwrap();
    tx.devices().remember(id, DeviceTokenHash([9; 32]), now, after(60)).await.unwrap();
    let login = LoginRecord { token_id: token_id(&format!("session-{number}.t")), user_id: id, ..a_login() };
    tx.login_history().append(&login).await.unwrap();
    tx.srp().put(&a_stored_srp(id)).await.unwrap();
    let uuid = Uuid::from_bytes([number; 16]);
    let link = SocialIdentity { id: uuid, user_id: id, subject: subject(&id.to_string()), ..a_social_identity() };
    tx.social().insert(&link).await.unwrap();
    let row = Attendance { id: AttendanceId(uuid), user_id: id, ..an_attendance() };
    tx.attendance().insert(&row).await.unwrap();
    let (actor, impersonator) = (Some(id), Some(id));
    tx.audit().append(&AuditEvent { actor, impersonator, subject: Some(id), ..an_audit_event() }).await.unwrap();
    let (epoch, sessions) = (Epoch::new(2), Epoch::new(2));
    let target = RevocationTarget::User { id, epoch, sessions };
    tx.revocations().append(&Revocation { target, at: START }).await.unwrap();
    commit(tx).await;
}

/// How many things of each kind are kept for a user: what goes with them, then what stays.
async fn kept(store: &Arc<dyn Store>, number: u8) -> ([usize; 16], [usize; 2]) {
    let (id, now) = (user_id(u16::from(number)), after(1));
    let session = session_id(&format!("session-{number}"));
    let mut tx = read(store).await;
    let mut links = 0;
    for purpose in [LinkPurpose::Reset, LinkPurpose::Activate] {
        let hash = LinkTokenHash([number * 2 + u8::from(purpose == LinkPurpose::Reset); 32]);
        links += usize::from(tx.link_tokens().find(hash, purpose, now).await.unwrap().is_some());
    }
    let enrolled = tx.factors().enrolled(id).await.unwrap();
    let credential = passkey_number(number).credential_id;
    let claim = tx.registrations().get(user_id(70 + u16::from(number)), now).await.unwrap();
    let everything = [
        usize::from(tx.users().get(id).await.unwrap().is_some()),
        usize::from(tx.users().password(id).await.unwrap().is_some()),
        usize::from(claim.is_some()),
        links,
        usize::from(enrolled != Enrolled::default()),
        usize::from(tx.factors().totp(id).await.unwrap().is_some()),
        usize::from(tx.factors().recovery_code(id, "aaaa").await.unwrap().is_some()),
        usize::from(tx.passkeys().find(&credential).await.unwrap().is_some()),
        tx.contacts().list(id, now).await.unwrap().len(),
        usize::from(tx.contacts().find_undo(UndoTokenHash([number; 32]), now).await.unwrap().is_some()),
        usize::from(tx.devices().is_known(id, DeviceTokenHash([9; 32]), now).await.unwrap()),
        tx.login_history().list(id, None, 9).await.unwrap().len(),
        usize::from(tx.login_history().owns_session(id, &session).await.unwrap()),
        usize::from(tx.srp().get(id).await.unwrap().is_some()),
        tx.social().list(id).await.unwrap().len(),
        usize::from(tx.attendance().latest(id).await.unwrap().is_some()),
    ];
    let revoked = tx.revocations().since(START.minus(MICRO)).await.unwrap();
    let of_them = |row: &&Revocation| matches!(row.target, RevocationTarget::User { id: found, .. } if found == id);
    let stays = [tx.audit().list_for_user(id, 9).await.unwrap().len(), revoked.iter().filter(of_them).count()];
    (everything, stays)
}

/// A deleted user leaves nothing but the audit log and the revocations; nobody else loses anything, and what they held is
/// free.
pub async fn a_deleted_user_leaves_audit_and_revocations_only(store: Arc<dyn Store>) {
    let all = [1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
    for number in [1, 2] {
        keep_everything(&store, number).await;
        assert_eq!(kept(&store, number).await, (all, [1, 1]), "user {number}");
    }
    let mut tx = begin(&store).await;
    assert!(tx.users().delete(user_id(1)).await.unwrap());
    assert_eq!(tx.users().get(user_id(1)).await.unwrap(), None);
    assert!(!tx.users().delete(user_id(1)).await.unwrap(), "there is no such user any more");
    commit(tx).await;
    assert_eq!(kept(&store, 1).await, ([0; 16], [1, 1]));
    assert_eq!(kept(&store, 2).await, (all, [1, 1]));
    let again = User { phone: Some(contact(user_id(1), phone("+442079460951"))), ..user_number(1) };
    insert(&store, std::slice::from_ref(&again)).await;
    assert_eq!(read(&store).await.users().get(again.id).await.unwrap(), Some(again));
}

/// A deletion that is not committed deletes nothing; of a user who is not there, neither.
pub async fn a_rolled_back_deletion_deletes_nothing(store: Arc<dyn Store>) {
    keep_everything(&store, 1).await;
    let before = kept(&store, 1).await;
    let mut tx = begin(&store).await;
    assert!(!tx.users().delete(user_id(9)).await.unwrap());
    assert!(tx.users().delete(user_id(1)).await.unwrap());
    drop(tx);
    assert_eq!(kept(&store, 1).await, before);
}

/// Of those who closed their own account before the time, the longest closed come first.
pub async fn the_longest_closed_accounts_come_first(store: Arc<dyn Store>) {
    let of = |number: u16, status: AccountStatus, seconds: u64| User {
        status,
        updated_at: after(seconds),
        ..user_number(number)
    };
    let closed = AccountStatus::Deactivated;
    insert(
        &store,
        &[
            of(1, closed, 30),
            of(2, closed, 10),
            of(3, AccountStatus::Banned, 10),
            of(4, AccountStatus::Active, 10),
            of(5, closed, 20),
            of(6, closed, 40),
        ],
    )
    .await;
    let mut tx = read(&store).await;
    let ids = |numbers: &[u16]| numbers.iter().map(|number| user_id(*number)).collect::<Vec<_>>();
    assert_eq!(tx.users().closed_before(after(40), 9).await.unwrap(), ids(&[2, 5, 1]));
    assert_eq!(tx.users().closed_before(after(40).plus(MICRO), 9).await.unwrap(), ids(&[2, 5, 1, 6]));
    assert_eq!(tx.users().closed_before(after(40), 2).await.unwrap(), ids(&[2, 5]));
    assert_eq!(tx.users().closed_before(after(10), 9).await.unwrap(), []);
}
