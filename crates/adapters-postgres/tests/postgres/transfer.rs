//! Rows of another database, on their way here.

use keystead_adapters_postgres::{PgConfig, PgImport};
use keystead_adapters_sql::rows::{
    AttendanceRow, FailuresRow, PasskeyRow, PendingContactRow, SocialRow, SrpRow, TotpRow, UndoRow, UserRow,
};
use keystead_adapters_sql::transfer::{Rows, Tally, row};
use keystead_adapters_sql::types::{At, Uid};
use keystead_application::ports::{BudgetKey, ChainLink, CheckpointKind, MacTag, Store};
use keystead_application::testing::{
    START, a_contact_undo, a_passkey, a_pending_contact, a_presence, a_social_identity, a_stored_srp, a_totp, a_user,
    after, an_attendance, an_audit_event, contact, contact_id, key_id, phone, user_id, user_number,
};
use keystead_domain::account::{Contact, User};
use keystead_domain::attendance::Attendance;
use keystead_domain::factor::{Enrolled, FactorFailures, PendingTotp, Totp};

use crate::migrated_database;

/// Ada, reached by SMS alone, under a contact of its own.
fn reached_by_sms() -> User {
    let number = contact(user_id(1), phone("+442079460958"));
    User { email: None, phone: Some(Contact { id: contact_id(9), otp_enabled: true, ..number }), ..a_user() }
}

fn totp() -> Totp {
    let pending = Some(PendingTotp { sealed: vec![7], expires_at: after(9) });
    Totp { last_step: Some(7), pending, ..a_totp() }
}

macro_rules! same_fields {
    ($Row:ident, $from:expr, { $($field:ident),+ $(,)? }) => {{
        let from = $from;
        row::$Row { $($field: from.$field,)+ }
    }};
}

fn user(user: &User) -> row::Users {
    same_fields!(Users, UserRow::from(user), {
        id, email, username, full_name, locale, role, status, epoch, sessions_epoch, created_at, updated_at, phone,
        email_contact_id, phone_contact_id, email_otp, phone_otp,
    })
}

/// A day that is over.
fn attendance() -> Attendance {
    Attendance { left: Some(a_presence(after(9))), reminded_at: Some(after(8)), ..an_attendance() }
}

/// Rows of the tables that came after the first version, and of those that were changed for them.
fn rows() -> Vec<Rows> {
    let (owner, now) = (Uid(user_id(1)), At(START));
    let claim = |number, kind: &str, password: Option<&str>| row::PendingRegistrations {
        id: Uid(user_id(number)),
        email: "+442079460958".to_owned(),
        username: None,
        full_name: None,
        password: password.map(str::to_owned),
        created_at: now,
        expires_at: now,
        kind: kind.to_owned(),
        srp: password.map(|_| vec![3, 0, 0xff]),
        social_provider: Some("idp".to_owned()),
        social_subject: Some("248289761001".to_owned()),
        social_label: None,
    };
    let code = |selector: &str| row::RecoveryCodes {
        user_id: owner,
        selector: selector.to_owned(),
        hash: "hash".to_owned(),
        created_at: now,
    };
    let failures = FactorFailures { counts: [1, 2, 3, 4, 5], last_at: Some(START), ..FactorFailures::default() };
    vec![
        Rows::Users(vec![user(&reached_by_sms()), user(&user_number(2))]),
        Rows::PendingRegistrations(vec![claim(8, "phone", None), claim(9, "email", Some("hash"))]),
        Rows::LinkTokens(vec![row::LinkTokens {
            hash: vec![1; 32],
            purpose: "reset".to_owned(),
            user_id: None,
            epoch: 1,
            begun_as: Some("half.a".to_owned()),
            created_at: now,
            expires_at: now,
            factor_proved: true,
        }]),
        Rows::AuditEvents(audit_rows()),
        Rows::AuditCheckpoints(vec![row::AuditCheckpoints {
            kind: "floor".to_owned(),
            position: 6,
            hash: vec![6; 32],
            at: now,
            seal_key: "audit-1".to_owned(),
            seal: vec![8; 32],
        }]),
        Rows::GeneralRevocations(vec![row::GeneralRevocations { at: now }]),
        Rows::Totp(vec![same_fields!(Totp, TotpRow::from(&totp()), {
            user_id, sealed, last_step, confirmed_at, pending, pending_expires_at,
        })]),
        Rows::RecoveryCodes(vec![code("a"), code("b")]),
        Rows::Passkeys(vec![same_fields!(Passkeys, PasskeyRow::from(&a_passkey()), {
            id, user_id, credential_id, name, credential, counter, aaguid, backup_eligible, backed_up, user_verified,
            created_at, last_used_at,
        })]),
        Rows::PendingContacts(vec![same_fields!(PendingContacts, PendingContactRow::from(&a_pending_contact()), {
            id, user_id, kind, address, epoch, created_at, expires_at,
        })]),
        Rows::ContactUndos(vec![same_fields!(ContactUndos, UndoRow::from(&a_contact_undo()), {
            hash, user_id, contact_id, kind, address, otp_enabled, other_contact_id, created_at, expires_at,
        })]),
        Rows::FactorFailures(vec![same_fields!(
            FactorFailures, FailuresRow::new(&BudgetKey("key".to_owned()), &failures, START),
            { key, device, totp, email, phone, recovery, blocks, blocked_until, alerted_at, last_at, forgotten_at }
        )]),
        Rows::FactorKeys(vec![row::FactorKeys {
            id: "seal-1".to_owned(),
            key_use: "seal".to_owned(),
            algorithm: "XC20P".to_owned(),
            sealed: vec![1, 2],
            created_at: now,
            active_from: now,
            retires_at: None,
        }]),
        Rows::SrpCredentials(vec![
            same_fields!(SrpCredentials, SrpRow::from(&a_stored_srp(user_id(1))), { user_id, sealed, created_at }),
        ]),
        Rows::SocialIdentities(vec![same_fields!(SocialIdentities, SocialRow::from(&a_social_identity()), {
            id, user_id, provider, subject, label, created_at, last_used_at,
        })]),
        Rows::Attendances(vec![same_fields!(Attendances, AttendanceRow::from(&attendance()), {
            id, user_id, date, entered_at, entered_ip, entered_user_agent, entered_remarks, left_at, left_ip,
            left_user_agent, left_remarks, reminded_at,
        })]),
    ]
}

/// Rows of which the first two are linked, in another order than that of their numbers.
fn audit_rows() -> Vec<row::AuditEvents> {
    let event = |id: i64, position: Option<u8>| row::AuditEvents {
        id,
        name: "authn_login_success".to_owned(),
        at: At(START),
        actor_id: Some(Uid(user_id(1))),
        subject_id: None,
        session_id: None,
        ip: None,
        user_agent: None,
        impersonator_id: Some(Uid(user_id(2))),
        detail: Some("a reason".to_owned()),
        seal_key: Some("audit-1".to_owned()),
        seal: Some(vec![9; 32]),
        position: position.map(i64::from),
        hash: position.map(|position| vec![position; 32]),
    };
    vec![event(40, Some(8)), event(41, Some(7)), event(43, None)]
}

#[tokio::test]
async fn the_audit_chain_goes_on_where_it_was() {
    let database = migrated_database();
    let url = database.url().to_owned();
    let import = tokio::task::spawn_blocking(move || PgImport::begin(&PgConfig::new(&url)).unwrap());
    let mut import = import.await.unwrap();
    for rows in rows() {
        import.insert(&rows).await.unwrap();
    }
    // The last number that was given; its row was deleted.
    import.go_on_behind("audit_events", 44).await.unwrap();
    import.commit().await.unwrap();

    let store = crate::open(database.url(), 1);
    let mut tx = store.begin().await.unwrap();
    let chain = tx.audit_chain();
    let place = |position: u8| ChainLink { position: position.into(), hash: [position; 32] };
    assert_eq!(chain.head().await.unwrap(), Some(place(8)));
    let linked = chain.page(6, 9).await.unwrap();
    assert_eq!(
        linked.iter().map(|row| (row.id.0, row.link)).collect::<Vec<_>>(),
        [(41, Some(place(7))), (40, Some(place(8)))]
    );
    assert_eq!(linked[0].seal, Some(MacTag { key: key_id("audit-1"), bytes: [9; 32] }));
    assert_eq!((linked[0].event.impersonator, linked[0].event.detail.as_deref()), (Some(user_id(2)), Some("a reason")));
    let floor = chain.last_checkpoint(CheckpointKind::Floor).await.unwrap().unwrap();
    assert_eq!((floor.link, floor.seal.bytes), (place(6), [8; 32]));
    tx.audit().append(&an_audit_event()).await.unwrap();
    let waiting = tx.audit_chain().unlinked(9).await.unwrap();
    assert_eq!(waiting.iter().map(|row| row.id.0).collect::<Vec<_>>(), [43, 45]);
    assert_eq!(tx.revocations().everybody_ended_at().await.unwrap(), Some(START));
}

#[tokio::test]
async fn rows_arrive_as_they_were() {
    let database = migrated_database();
    let url = database.url().to_owned();
    let import = tokio::task::spawn_blocking(move || PgImport::begin(&PgConfig::new(&url)).unwrap());
    let mut import = import.await.unwrap();
    let mut sent = Tally::nothing();
    for rows in rows() {
        import.insert(&rows).await.unwrap();
        Tally::add(&mut sent, &rows);
    }
    assert_eq!(import.read_back().await.unwrap(), sent);
    assert_eq!(sent.iter().map(|tally| tally.rows).sum::<u64>(), 21);
    import.commit().await.unwrap();

    let store = crate::open(database.url(), 1);
    let mut tx = store.read().await.unwrap();
    assert_eq!(tx.users().get(user_id(1)).await.unwrap(), Some(reached_by_sms()));
    assert_eq!(tx.factors().totp(user_id(1)).await.unwrap(), Some(totp()));
    let all = Enrolled { totp: true, passkeys: 1, recovery_codes: 2 };
    assert_eq!(tx.factors().enrolled(user_id(1)).await.unwrap(), all);
    assert_eq!(tx.contacts().find_undo(a_contact_undo().hash, START).await.unwrap(), Some(a_contact_undo()));
    assert_eq!(tx.srp().get(user_id(1)).await.unwrap(), Some(a_stored_srp(user_id(1))));
    assert_eq!(tx.social().list(user_id(1)).await.unwrap(), [a_social_identity()]);
    assert_eq!(tx.attendance().latest(user_id(1)).await.unwrap(), Some(attendance()));
}
