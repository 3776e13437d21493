use keystead_adapters_sql::LAPSED_BATCH;
use keystead_application::ports::{BudgetDecision, BudgetKey, LoginRecord, Store, Tx};
use keystead_application::testing::{
    a_login, a_passkey, a_presence, a_recovery_code, a_stored_srp, a_totp, a_user, after, an_audit_event, token_id,
    user_id,
};
use keystead_domain::attendance::AttendanceId;
use keystead_domain::factor::FactorFailures;
use keystead_domain::limits::LOGIN_ACCOUNT;
use keystead_domain::token::DeviceTokenHash;
use keystead_test_servers::Postgres;
use uuid::Uuid;

use super::{insert, migrated, migrated_database, open};

/// What a login writes, and a change of a profile.
async fn write(tx: &mut dyn Tx, number: u8) {
    let (user, key) = (user_id(1), BudgetKey("login-account:user:1".to_owned()));
    let decision = tx.guess_budgets().reserve(&key, &LOGIN_ACCOUNT, after(0)).await.unwrap();
    assert_eq!(decision, BudgetDecision::Reserved { count: 1 });
    tx.guess_budgets().release(&key, &LOGIN_ACCOUNT).await.unwrap();
    tx.devices().remember(user, DeviceTokenHash([number; 32]), after(0), after(10)).await.unwrap();
    let [token_id, next] = ["session", "next"].map(|name| token_id(&format!("{name}.{number}")));
    tx.login_history().append(&LoginRecord { token_id, ..a_login() }).await.unwrap();
    tx.audit().append(&an_audit_event()).await.unwrap();
    tx.users().update(&a_user()).await.unwrap();
    tx.factor_failures().hold(&key).await.unwrap();
    tx.factor_failures().put(&key, &FactorFailures::default(), after(10)).await.unwrap();
    tx.factors().enrolled(user).await.unwrap();
    tx.factors().put_totp(&a_totp()).await.unwrap();
    tx.factors().replace_recovery_codes(user, &[a_recovery_code("aaaa")], after(0)).await.unwrap();
    tx.passkeys().update(&a_passkey()).await.unwrap();
    tx.link_tokens().prove_begun(&next, &next, after(0)).await.unwrap();
    tx.srp().put(&a_stored_srp(user)).await.unwrap();
    tx.social().touch(Uuid::nil(), after(0)).await.unwrap();
    tx.attendance().close(AttendanceId(Uuid::nil()), &a_presence(after(0))).await.unwrap();
    tx.attendance().mark_reminded(AttendanceId(Uuid::nil()), after(0)).await.unwrap();
    tx.leases().acquire("l", "a", after(0), after(10)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_prepares_every_statement_once() {
    let server = Postgres::options().setting("log_min_duration_statement", "0").start().unwrap();
    let database = migrated(&server);
    let store = open(database.url(), 1);
    insert(&store, &a_user()).await.unwrap();
    for number in 0..3 {
        let mut tx = store.begin().await.unwrap();
        write(&mut *tx, number).await;
        tx.commit().await.unwrap();
    }
    // "duration: 0.1 ms  parse s7: INSERT INTO …"
    let log = server.log();
    let count = |step: &str, text: &str| {
        let has_both = |line: &&str| line.contains(&format!(" ms  {step} s")) && line.contains(&format!(": {text}"));
        log.lines().filter(has_both).count()
    };
    for text in [
        r#"INSERT INTO "guess_budgets""#,
        r#"UPDATE "guess_budgets""#,
        r#"INSERT INTO "devices""#,
        r#"INSERT INTO "login_history""#,
        r#"INSERT INTO "audit_events""#,
        r#"UPDATE "users""#,
        "SELECT (SELECT count(pg_advisory_xact_lock(19285,",
        "SELECT pg_advisory_xact_lock(19286,",
        r#"INSERT INTO "factor_failures""#,
        "SELECT EXISTS",
        r#"INSERT INTO "totp""#,
        r#"DELETE FROM "recovery_codes""#,
        r#"INSERT INTO "recovery_codes""#,
        r#"UPDATE "passkeys""#,
        r#"UPDATE "link_tokens""#,
        r#"SELECT "users"."id" FROM "users" WHERE id = (SELECT user_id FROM link_tokens WHERE begun_as"#,
        r#"INSERT INTO "srp_credentials""#,
        r#"UPDATE "social_identities""#,
        r#"UPDATE "attendances" SET "left_at""#,
        r#"UPDATE "attendances" SET "reminded_at""#,
        r#"INSERT INTO "leases""#,
    ] {
        assert_eq!((count("parse", text), count("execute", text)), (1, 3), "{text}\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_is_deleted_a_batch_at_a_time() {
    let database = migrated_database();
    let store = open(database.url(), 1);
    insert(&store, &a_user()).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    for number in 0..LAPSED_BATCH + 5 {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&number.to_be_bytes());
        tx.devices().remember(user_id(1), DeviceTokenHash(hash), after(0), after(10)).await.unwrap();
    }
    assert_eq!(tx.devices().delete_expired(after(20)).await.unwrap(), u64::from(LAPSED_BATCH));
    assert_eq!(tx.devices().delete_expired(after(20)).await.unwrap(), 5);
    assert_eq!(tx.devices().delete_expired(after(20)).await.unwrap(), 0);
}
