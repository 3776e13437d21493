//! Everything in a SQLite file, on its way here.

use keystead_adapters_postgres::{PgConfig, PgImport};
use keystead_adapters_sqlite::{SqliteConfig, SqliteDatabase, SqliteExport};
use keystead_application::ports::{BudgetKey, Store, Tx};
use keystead_application::testing::{
    START, a_contact_undo, a_key, a_link_token, a_login, a_message, a_passkey, a_pending_contact, a_recovery_code,
    a_registration, a_revocation, a_totp, a_user, after, an_audit_event, contact, contact_id, fake_hash, phone,
    user_id, user_number,
};
use keystead_domain::account::{Address, Contact, PendingRegistration, User};
use keystead_domain::factor::{Enrolled, FactorFailures};
use keystead_domain::limits::LOGIN_ACCOUNT;
use keystead_domain::token::DeviceTokenHash;

use crate::migrated_database;

/// Ada, reached by SMS alone, under a contact of its own.
fn reached_by_sms() -> User {
    let number = contact(user_id(1), phone("+442079460958"));
    User { email: None, phone: Some(Contact { id: contact_id(9), otp_enabled: true, ..number }), ..a_user() }
}

/// One row or more in every table, with every kind of value.
async fn fill(tx: &mut dyn Tx) {
    let key = BudgetKey("key".to_owned());
    tx.users().insert(&reached_by_sms(), Some(fake_hash("x"))).await.unwrap();
    tx.users().insert(&user_number(2), None).await.unwrap();
    tx.registrations().insert(&a_registration()).await.unwrap();
    let address = Address::Phone(phone("+442079460959"));
    let bare = PendingRegistration { id: user_id(7), address, password: None, ..a_registration() };
    tx.registrations().insert(&bare).await.unwrap();
    tx.link_tokens().issue(&a_link_token()).await.unwrap();
    tx.outbox().enqueue(&a_message("m")).await.unwrap();
    tx.audit().append(&an_audit_event()).await.unwrap();
    tx.revocations().append(&a_revocation()).await.unwrap();
    tx.guess_budgets().reserve(&key, &LOGIN_ACCOUNT, START).await.unwrap();
    tx.devices().remember(user_id(1), DeviceTokenHash([3; 32]), START, after(60)).await.unwrap();
    tx.login_history().append(&a_login()).await.unwrap();
    tx.keys().insert(&a_key("k"), START).await.unwrap();
    tx.factors().put_totp(&a_totp()).await.unwrap();
    tx.factors().replace_recovery_codes(user_id(1), &["a", "b"].map(a_recovery_code), START).await.unwrap();
    tx.passkeys().insert(&a_passkey()).await.unwrap();
    tx.contacts().insert(&a_pending_contact()).await.unwrap();
    tx.contacts().insert_undo(&a_contact_undo()).await.unwrap();
    let failures = FactorFailures { last_at: Some(START), ..FactorFailures::default() };
    tx.factor_failures().put(&key, &failures, after(60)).await.unwrap();
}

#[tokio::test]
async fn every_row_of_a_file_arrives_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let config = SqliteConfig::new(folder.path().join("keystead.db"));
    let file = SqliteDatabase::open(&config).unwrap();
    let mut tx = file.store().begin().await.unwrap();
    fill(&mut *tx).await;
    tx.commit().await.unwrap();
    drop(file);

    let database = migrated_database();
    let mut export = SqliteExport::open(&config).await.unwrap();
    let url = database.url().to_owned();
    let import = tokio::task::spawn_blocking(move || PgImport::begin(&PgConfig::new(&url)).unwrap());
    let mut import = import.await.unwrap();
    while let Some(rows) = export.next().await.unwrap() {
        import.insert(rows).await.unwrap();
    }
    let tallies = import.read_back().await.unwrap();
    assert_eq!(tallies, export.tallies());
    assert!(tallies.iter().all(|tally| tally.rows > 0), "{tallies:?}");
    import.commit().await.unwrap();

    let store = crate::open(database.url(), 1);
    let mut tx = store.read().await.unwrap();
    assert_eq!(tx.users().get(user_id(1)).await.unwrap(), Some(reached_by_sms()));
    let all = Enrolled { totp: true, passkeys: 1, recovery_codes: 2 };
    assert_eq!(tx.factors().enrolled(user_id(1)).await.unwrap(), all);
    assert_eq!(tx.contacts().find_undo(a_contact_undo().hash, START).await.unwrap(), Some(a_contact_undo()));
}
