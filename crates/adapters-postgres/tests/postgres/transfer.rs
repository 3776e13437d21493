//! Rows of another database, on their way here.

use keystead_adapters_postgres::{PgConfig, PgImport};
use keystead_adapters_sql::rows::{FailuresRow, PasskeyRow, PendingContactRow, TotpRow, UndoRow, UserRow};
use keystead_adapters_sql::transfer::{Rows, Tally, row};
use keystead_adapters_sql::types::{At, Uid};
use keystead_application::ports::{BudgetKey, Store};
use keystead_application::testing::{
    START, a_contact_undo, a_passkey, a_pending_contact, a_totp, a_user, after, contact, contact_id, phone, user_id,
    user_number,
};
use keystead_domain::account::{Contact, User};
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

/// Rows of the tables of second factors, and of those that were changed for them.
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
    ]
}

#[tokio::test]
async fn rows_of_second_factors_arrive_as_they_were() {
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
    assert_eq!(sent.iter().map(|tally| tally.rows).sum::<u64>(), 13);
    import.commit().await.unwrap();

    let store = crate::open(database.url(), 1);
    let mut tx = store.read().await.unwrap();
    assert_eq!(tx.users().get(user_id(1)).await.unwrap(), Some(reached_by_sms()));
    assert_eq!(tx.factors().totp(user_id(1)).await.unwrap(), Some(totp()));
    let all = Enrolled { totp: true, passkeys: 1, recovery_codes: 2 };
    assert_eq!(tx.factors().enrolled(user_id(1)).await.unwrap(), all);
    assert_eq!(tx.contacts().find_undo(a_contact_undo().hash, START).await.unwrap(), Some(a_contact_undo()));
}
