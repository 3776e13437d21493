//! `AuditLog`.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use keystead_application::ports::{AuditFilter, AuditRow, AuditRowId, MacTag, Store};
use keystead_application::testing::{
    START, a_mac_tag, a_user, after, an_audit_event, key_id, session_id, user_id, user_number,
};
use keystead_domain::audit::{AuditEvent, AuditEventName};
use keystead_domain::token::DeviceInfo;

use super::{MICRO, begin, commit, read};

/// Ada and a second user, for stores that check references.
async fn users(store: &Arc<dyn Store>) {
    let mut tx = begin(store).await;
    tx.users().insert(&a_user(), None).await.unwrap();
    tx.users().insert(&user_number(2), None).await.unwrap();
    commit(tx).await;
}

async fn append(store: &Arc<dyn Store>, events: &[AuditEvent]) {
    let mut tx = begin(store).await;
    for event in events {
        tx.audit().append(event).await.unwrap();
    }
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
    let detail = format!("{} ' \" \\ % 🦀", "é".repeat(AuditEvent::MAX_DETAIL / 2 - 8));
    assert!(detail.len() <= AuditEvent::MAX_DETAIL);
    let full = AuditEvent {
        actor: Some(user_id(2)),
        impersonator: Some(user_id(3)),
        device: six,
        at: after(1),
        detail: Some(detail),
        ..an_audit_event()
    };
    let empty = AuditEvent {
        device: DeviceInfo { ip: None, user_agent: Some(String::new()) },
        detail: Some(String::new()),
        at: after(2),
        ..an_audit_event()
    };
    let about_nobody = AuditEvent { subject: None, actor: None, ..an_audit_event() };
    append(&store, &[an_audit_event(), bare.clone(), full.clone(), empty.clone(), about_nobody]).await;
    let listed = read(&store).await.audit().list_for_user(user_id(1), 9).await.unwrap();
    assert_eq!(listed, [empty, full, bare, an_audit_event()]);
}

/// The newest of the events about one user, newest first, and never more than asked for.
pub async fn audit_events_of_a_user_come_newest_first(store: Arc<dyn Store>) {
    users(&store).await;
    let at = |seconds, user| AuditEvent { at: after(seconds), subject: Some(user_id(user)), ..an_audit_event() };
    append(&store, &[at(2, 1), at(1, 1), at(5, 2), at(4, 1), at(3, 1)]).await;
    let mut tx = read(&store).await;
    assert_eq!(tx.audit().list_for_user(user_id(1), 3).await.unwrap(), [at(4, 1), at(3, 1), at(2, 1)]);
    assert_eq!(tx.audit().list_for_user(user_id(2), 3).await.unwrap(), [at(5, 2)]);
    assert_eq!(tx.audit().list_for_user(user_id(3), 3).await.unwrap(), []);
}

/// Every event of the closed list can be written and read.
pub async fn every_audit_event_name_survives(store: Arc<dyn Store>) {
    users(&store).await;
    let events = (0..).zip(AuditEventName::ALL);
    let events: Vec<AuditEvent> =
        events.map(|(second, name)| AuditEvent { name: *name, at: after(second), ..an_audit_event() }).collect();
    append(&store, &events).await;
    let listed = read(&store).await.audit().list_for_user(user_id(1), 1000).await.unwrap();
    let names: Vec<AuditEventName> = listed.iter().rev().map(|event| event.name).collect();
    assert_eq!(names, AuditEventName::ALL);
}

/// A seal comes back as written, beside its event; a row without one says so. Nobody is linked yet.
pub async fn seals_survive(store: Arc<dyn Store>) {
    let mut counting = 0_u8;
    let bytes = [(); 32].map(|()| {
        counting = counting.wrapping_add(41);
        counting
    });
    let other = MacTag { key: key_id("audit-2"), bytes };
    let late = AuditEvent { at: after(1), ..an_audit_event() };
    let mut tx = begin(&store).await;
    tx.audit().append_sealed(&an_audit_event(), &a_mac_tag()).await.unwrap();
    tx.audit().append(&an_audit_event()).await.unwrap();
    tx.audit().append_sealed(&late, &other).await.unwrap();
    commit(tx).await;
    let rows = all(&store).await;
    let found: Vec<(&AuditEvent, Option<&MacTag>)> = rows.iter().map(|row| (&row.event, row.seal.as_ref())).collect();
    let first = an_audit_event();
    assert_eq!(found, [(&late, Some(&other)), (&first, None), (&first, Some(&a_mac_tag()))]);
    assert!(rows.iter().all(|row| row.link.is_none()));
}

/// Every row, newest first.
async fn all(store: &Arc<dyn Store>) -> Vec<AuditRow> {
    read(store).await.audit().list(&AuditFilter::default(), None, 1000).await.unwrap()
}

/// The number a row got says when it came; pages follow it downwards, without gap or repeat, also while rows are added.
pub async fn pages_go_from_the_newest_number_down(store: Arc<dyn Store>) {
    // A clock may step back: the numbers do not.
    let events = [5, 4, 9, 1, 7].map(|second| AuditEvent { at: after(second), ..an_audit_event() });
    append(&store, &events).await;
    let expected = all(&store).await;
    assert!(expected.iter().rev().map(|row| &row.event).eq(&events));
    assert!(expected.is_sorted_by(|newer, older| newer.id > older.id));
    let mut seen: Vec<AuditRow> = Vec::new();
    for length in [2, 2, 1, 0] {
        let before = seen.last().map(|row| row.id);
        let page = read(&store).await.audit().list(&AuditFilter::default(), before, 2).await.unwrap();
        assert_eq!(page.len(), length);
        seen.extend(page);
        append(&store, &[an_audit_event()]).await;
    }
    assert_eq!(seen, expected);
    assert_eq!(read(&store).await.audit().list(&AuditFilter::default(), Some(AuditRowId(0)), 9).await.unwrap(), []);
}

/// A filter lets through what passes all of its parts. Whoever acted as somebody else did it, too.
pub async fn a_filter_finds_what_passes_all_of_it(store: Arc<dyn Store>) {
    let of = |seconds: u64, name, actor: Option<u16>, impersonator: Option<u16>, subject: Option<u16>| AuditEvent {
        name,
        at: after(seconds),
        actor: actor.map(user_id),
        impersonator: impersonator.map(user_id),
        subject: subject.map(user_id),
        session: Some(session_id("s")),
        ..an_audit_event()
    };
    let (updated, banned, login) =
        (AuditEventName::UserUpdated, AuditEventName::UserBanned, AuditEventName::LoginSucceeded);
    let events = [
        of(0, login, Some(1), None, Some(1)),
        of(1, updated, Some(1), Some(2), Some(1)),
        of(2, banned, Some(2), None, Some(1)),
        of(3, login, None, None, Some(2)),
        of(4, updated, Some(3), None, Some(3)),
        of(5, login, None, None, None),
    ];
    append(&store, &events).await;
    let none = AuditFilter::default;
    for (filter, expected) in [
        (none(), &[5, 4, 3, 2, 1, 0][..]),
        (AuditFilter { name: Some(updated), ..none() }, &[4, 1]),
        (AuditFilter { name: Some(AuditEventName::UserDeleted), ..none() }, &[]),
        (AuditFilter { actor: Some(user_id(1)), ..none() }, &[1, 0]),
        (AuditFilter { actor: Some(user_id(2)), ..none() }, &[2, 1]),
        (AuditFilter { actor: Some(user_id(9)), ..none() }, &[]),
        (AuditFilter { subject: Some(user_id(1)), ..none() }, &[2, 1, 0]),
        (AuditFilter { from: Some(after(4)), ..none() }, &[5, 4]),
        (AuditFilter { from: Some(after(4).plus(MICRO)), ..none() }, &[5]),
        (AuditFilter { until: Some(after(1)), ..none() }, &[0]),
        (AuditFilter { until: Some(after(1).plus(MICRO)), ..none() }, &[1, 0]),
        (AuditFilter { from: Some(after(2)), until: Some(after(5)), ..none() }, &[4, 3, 2]),
        (AuditFilter { name: Some(updated), actor: Some(user_id(2)), ..none() }, &[1]),
        (AuditFilter { name: Some(login), actor: Some(user_id(2)), ..none() }, &[]),
        (AuditFilter { actor: Some(user_id(2)), subject: Some(user_id(1)), from: Some(after(2)), ..none() }, &[2]),
    ] {
        let mut found: Vec<AuditEvent> = Vec::new();
        let mut before = None;
        loop {
            let page = read(&store).await.audit().list(&filter, before, 2).await.unwrap();
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            found.extend(page.into_iter().map(|row| row.event));
        }
        let expected: Vec<AuditEvent> = expected.iter().map(|index: &usize| events[*index].clone()).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}
