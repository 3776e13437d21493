//! `Store` and `Tx`: what commits, what rolls back, who sees what.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keystead_application::ports::{
    BudgetDecision, BudgetKey, ChainLink, Checkpoint, CheckpointKind, Store, StoreError,
};
use keystead_application::testing::{
    a_contact_undo, a_key, a_link_token, a_login, a_mac_tag, a_message, a_passkey, a_pending_contact, a_recovery_code,
    a_registration, a_revocation, a_social_identity, a_stored_srp, a_totp, a_user, after, an_attendance,
    an_audit_event, fake_hash, user_number,
};
use keystead_domain::account::{AccountStatus, FullName, User};
use keystead_domain::audit::AuditEvent;
use keystead_domain::factor::{Enrolled, FactorFailures};
use keystead_domain::limits;
use keystead_domain::token::DeviceTokenHash;
use tokio::task::yield_now;

use super::{begin, commit, read};
use crate::race::{cancelled_after, race};

/// Dropping a transaction without commit rolls back everything written through it.
pub async fn a_dropped_transaction_rolls_back(store: Arc<dyn Store>) {
    let mut tx = begin(&store).await;
    tx.users().insert(&a_user(), Some(fake_hash("x"))).await.unwrap();
    tx.outbox().enqueue(&a_message("m")).await.unwrap();
    drop(tx);

    let mut tx = begin(&store).await;
    assert_eq!(tx.users().get(a_user().id).await.unwrap(), None);
    assert_eq!(tx.outbox().counts().await.unwrap(), (0, 0));
    tx.users().insert(&a_user(), None).await.expect("nothing of the dropped transaction is in the way");
    commit(tx).await;
}

/// One commit keeps what was written through every repository.
pub async fn a_commit_keeps_every_kind_of_data(store: Arc<dyn Store>) {
    let (user, device, now) = (a_user(), DeviceTokenHash([3; 32]), after(1));
    let budget = BudgetKey("ada".into());
    let mut tx = begin(&store).await;
    tx.users().insert(&user, None).await.unwrap();
    tx.registrations().insert(&a_registration()).await.unwrap();
    tx.link_tokens().issue(&a_link_token()).await.unwrap();
    tx.outbox().enqueue(&a_message("m")).await.unwrap();
    tx.audit().append(&an_audit_event()).await.unwrap();
    let link = ChainLink { position: 1, hash: [4; 32] };
    let checkpoint = Checkpoint { kind: CheckpointKind::Head, link, at: now, seal: a_mac_tag() };
    tx.audit_chain().put_checkpoint(&checkpoint, None).await.unwrap();
    tx.revocations().append(&a_revocation()).await.unwrap();
    tx.guess_budgets().reserve(&budget, &limits::LOGIN_ACCOUNT, now).await.unwrap();
    tx.devices().remember(user.id, device, now, after(60)).await.unwrap();
    tx.factors().put_totp(&a_totp()).await.unwrap();
    tx.factors().replace_recovery_codes(user.id, &[a_recovery_code("aaaa")], now).await.unwrap();
    tx.passkeys().insert(&a_passkey()).await.unwrap();
    tx.contacts().insert(&a_pending_contact()).await.unwrap();
    tx.contacts().insert_undo(&a_contact_undo()).await.unwrap();
    let failures = FactorFailures { blocks: 1, ..FactorFailures::default() };
    tx.factor_failures().put(&budget, &failures, after(60)).await.unwrap();
    tx.login_history().append(&a_login()).await.unwrap();
    tx.keys().insert(&a_key("k"), now).await.unwrap();
    tx.srp().put(&a_stored_srp(user.id)).await.unwrap();
    tx.social().insert(&a_social_identity()).await.unwrap();
    tx.attendance().insert(&an_attendance()).await.unwrap();
    assert!(tx.leases().acquire("l", "a", now, after(60)).await.unwrap());
    commit(tx).await;

    let mut tx = read(&store).await;
    assert!(tx.users().get(user.id).await.unwrap().is_some());
    assert!(tx.registrations().get(a_registration().id, now).await.unwrap().is_some());
    let link = a_link_token();
    assert!(tx.link_tokens().find(link.hash, link.purpose, now).await.unwrap().is_some());
    assert_eq!(tx.outbox().counts().await.unwrap(), (1, 0));
    assert_eq!(tx.audit().list_for_user(user.id, 9).await.unwrap().len(), 1);
    assert_eq!(tx.audit_chain().checkpoints().await.unwrap().len(), 1);
    assert_eq!(tx.revocations().since(after(0).minus(super::MICRO)).await.unwrap().len(), 1);
    assert!(tx.devices().is_known(user.id, device, now).await.unwrap());
    assert_eq!(tx.login_history().list(user.id, None, 9).await.unwrap().len(), 1);
    assert_eq!(tx.keys().list(now).await.unwrap().len(), 1);
    let all = Enrolled { totp: true, passkeys: 1, recovery_codes: 1 };
    assert_eq!(tx.factors().enrolled(user.id).await.unwrap(), all);
    assert_eq!(tx.contacts().list(user.id, now).await.unwrap().len(), 1);
    assert!(tx.contacts().find_undo(a_contact_undo().hash, now).await.unwrap().is_some());
    assert_eq!(tx.factor_failures().hold(&budget).await.unwrap(), failures);
    assert_eq!(tx.srp().get(user.id).await.unwrap(), Some(a_stored_srp(user.id)));
    assert_eq!(tx.social().list(user.id).await.unwrap(), [a_social_identity()]);
    assert_eq!(tx.attendance().latest(user.id).await.unwrap(), Some(an_attendance()));
    drop(tx);
    let mut tx = begin(&store).await;
    let again = tx.guess_budgets().reserve(&budget, &limits::LOGIN_ACCOUNT, now).await.unwrap();
    assert_eq!(again, BudgetDecision::Reserved { count: 2 });
    assert!(!tx.leases().acquire("l", "b", now, after(60)).await.unwrap());
}

/// Writes a user and their mail in one transaction; tells when it is about to commit.
async fn write_user_and_mail(store: Arc<dyn Store>, user: User, committing: Arc<AtomicBool>) {
    let mut tx = begin(&store).await;
    yield_now().await;
    tx.users().insert(&user, Some(fake_hash("x"))).await.unwrap();
    yield_now().await;
    tx.outbox().enqueue(&a_message(&user.id.to_string())).await.unwrap();
    yield_now().await;
    let event = AuditEvent { subject: Some(user.id), actor: None, ..an_audit_event() };
    tx.audit().append(&event).await.unwrap();
    yield_now().await;
    committing.store(true, Ordering::SeqCst);
    commit(tx).await;
}

/// Waits for the end of whatever a server still does for a transaction that was cancelled while it wrote this user: a
/// commit may be on its way. Whoever inserts the same user comes after it.
async fn settle(store: &Arc<dyn Store>, user: &User) {
    let mut tx = begin(store).await;
    let outcome = tx.users().insert(user, None).await;
    assert!(matches!(outcome, Ok(()) | Err(StoreError::Conflict(_))), "{outcome:?}");
}

/// How many users and mails there are, at one moment.
async fn count(store: &Arc<dyn Store>) -> (u64, u64) {
    let mut tx = read(store).await;
    let users = tx.users().count(AccountStatus::Active).await.unwrap();
    let (waiting, dead) = tx.outbox().counts().await.unwrap();
    assert_eq!(dead, 0);
    (users, waiting)
}

/// Wherever the future of a transaction is dropped, also inside a call: nothing of it remains, the store stays usable.
/// Only a commit that had begun may have happened, and then whole.
pub async fn a_transaction_cancelled_anywhere_rolls_back_whole(store: Arc<dyn Store>) {
    for polls in 0.. {
        assert!(polls < 500, "a transaction of three writes takes fewer polls");
        let before = count(&store).await;
        let committing = Arc::new(AtomicBool::new(false));
        let writing = write_user_and_mail(Arc::clone(&store), user_number(polls), Arc::clone(&committing));
        let finished = cancelled_after(usize::from(polls), writing).await.is_some();
        settle(&store, &user_number(polls)).await;
        let after = count(&store).await;
        let whole = (before.0 + 1, before.1 + 1);
        if finished {
            assert_eq!(after, whole, "a finished commit is there");
            assert!(polls > 4, "the future was dropped at every step before");
            return;
        }
        if committing.load(Ordering::SeqCst) {
            assert!(after == before || after == whole, "polls {polls}: a commit is whole or nothing");
        } else {
            assert_eq!(after, before, "polls {polls}: nothing of a cancelled transaction remains");
        }
    }
}

/// Many transactions dropped at different points at the same time leave no trace, no lock and no lost connection.
pub async fn transactions_cancelled_in_parallel_leave_no_trace_and_no_lock(store: Arc<dyn Store>) {
    let one_of_them = |number: usize| user_number(u16::try_from(number).unwrap());
    let outcomes = race(32, |number| {
        let (store, committing) = (Arc::clone(&store), Arc::new(AtomicBool::new(false)));
        let user = one_of_them(number);
        async move {
            let writing = write_user_and_mail(store, user, Arc::clone(&committing));
            let finished = cancelled_after(number / 2, writing).await.is_some();
            (finished, committing.load(Ordering::SeqCst))
        }
    })
    .await;
    for number in 0..32 {
        settle(&store, &one_of_them(number)).await;
    }
    let sure = outcomes.iter().filter(|(finished, _)| *finished).count() as u64;
    let possible = outcomes.iter().filter(|(_, committing)| *committing).count() as u64;
    let (users, mails) = count(&store).await;
    assert_eq!(users, mails, "a user and their mail commit together");
    assert!((sure..=possible).contains(&users), "{users} users, {sure} sure, {possible} possible");

    let committing = Arc::new(AtomicBool::new(false));
    write_user_and_mail(Arc::clone(&store), user_number(999), committing).await;
    assert_eq!(count(&store).await, (users + 1, mails + 1), "the store stays usable");
}

/// What is not committed is seen by nobody else.
pub async fn uncommitted_writes_are_invisible(store: Arc<dyn Store>) {
    let mut writer = begin(&store).await;
    writer.users().insert(&a_user(), None).await.unwrap();
    assert!(writer.users().get(a_user().id).await.unwrap().is_some(), "a transaction sees its own writes");
    assert_eq!(read(&store).await.users().get(a_user().id).await.unwrap(), None);
    commit(writer).await;
    assert!(read(&store).await.users().get(a_user().id).await.unwrap().is_some());
}

/// A reading transaction sees the state of its first look to its end.
pub async fn a_read_sees_one_state(store: Arc<dyn Store>) {
    let mut tx = begin(&store).await;
    tx.users().insert(&a_user(), None).await.unwrap();
    commit(tx).await;

    let mut reader = read(&store).await;
    assert_eq!(reader.users().get(a_user().id).await.unwrap(), Some(a_user()));
    let renamed = User { full_name: FullName::try_new("Countess").ok(), ..a_user() };
    let mut writer = begin(&store).await;
    writer.users().update(&renamed).await.unwrap();
    writer.users().insert(&user_number(2), None).await.unwrap();
    commit(writer).await;

    assert_eq!(reader.users().get(a_user().id).await.unwrap(), Some(a_user()));
    assert_eq!(reader.users().get(user_number(2).id).await.unwrap(), None);
    drop(reader);
    let mut reader = read(&store).await;
    assert_eq!(reader.users().get(a_user().id).await.unwrap(), Some(renamed));
    assert!(reader.users().get(user_number(2).id).await.unwrap().is_some());
}

/// A write through a reading transaction fails, or is undone whatever is called afterwards.
pub async fn a_read_cannot_write(store: Arc<dyn Store>) {
    let mut reader = read(&store).await;
    if reader.users().insert(&a_user(), None).await.is_ok() {
        let _ = reader.commit().await;
    }
    let mut tx = begin(&store).await;
    assert_eq!(tx.users().get(a_user().id).await.unwrap(), None);
    tx.users().insert(&a_user(), None).await.expect("the store still takes writes");
    commit(tx).await;
}

/// `begin` answers `Unavailable` within the acquire time-out when others hold what it needs, and serves again when they
/// let go.
pub async fn begin_gives_up_when_no_transaction_can_be_had(store: Arc<dyn Store>) {
    let mut held = Vec::new();
    let refusal = loop {
        assert!(held.len() < 1000, "the number of open transactions is bounded");
        match store.begin().await {
            Ok(tx) => held.push(tx),
            Err(error) => break error,
        }
    };
    assert!(matches!(refusal, StoreError::Unavailable(_)), "{refusal:?}");
    drop(held);
    commit(begin(&store).await).await;
}

/// `ping` succeeds on a store that works.
pub async fn a_live_store_answers_pings(store: Arc<dyn Store>) {
    assert_eq!(store.ping().await, Ok(()));
}

/// A commit that succeeds kept every write that succeeded, whatever else failed or was dropped half-way; one that fails
/// kept none.
pub async fn a_commit_says_what_it_kept(store: Arc<dyn Store>) {
    let mut tx = begin(&store).await;
    tx.outbox().enqueue(&a_message("taken")).await.unwrap();
    commit(tx).await;
    for polls in 0..20_u16 {
        let kept = format!("kept-{polls}");
        let mut tx = begin(&store).await;
        tx.outbox().enqueue(&a_message(&kept)).await.unwrap();
        // A message with this identifier is there already: it fails, seen or unseen.
        drop(cancelled_after(usize::from(polls), tx.outbox().enqueue(&a_message("taken"))).await);
        let committed = tx.commit().await.is_ok();
        let mut tx = begin(&store).await;
        let claimed = tx.outbox().claim(1000, after(1), Duration::from_secs(1)).await.unwrap();
        let found = claimed.iter().any(|message| message.id.0 == kept);
        assert_eq!(found, committed, "polls {polls}");
    }
}
