//! Opening a database, and what is said when it cannot be.

use std::time::Duration;

use keystead_adapters_postgres::{OpenError, PgConfig, PgDatabase, Tls};
use keystead_application::ports::Store;
use keystead_application::testing::a_user;
use keystead_domain::Timestamp;
use keystead_test_servers::Postgres;

use crate::{insert, migrated_database, other_program, unavailable};

fn error_of(url: &str) -> OpenError {
    PgDatabase::open(&PgConfig::new(url)).unwrap_err()
}

#[test]
fn errors_name_the_server_and_never_the_password() {
    let server = Postgres::options().password("hunter2").start().unwrap();
    let port = server.port();
    PgDatabase::open(&PgConfig::new(server.url())).unwrap();

    let wrong = error_of(&server.url().replace("hunter2", "hunter3"));
    assert!(matches!(wrong, OpenError::Connect(_)));
    let wrong = wrong.to_string();
    assert!(
        wrong.contains(&format!("127.0.0.1:{port}")) && wrong.contains("password authentication failed"),
        "{wrong}"
    );
    assert!(!wrong.contains("hunter"), "{wrong}");

    let missing = error_of(&format!("postgres://postgres:hunter2@127.0.0.1:{port}/nowhere")).to_string();
    assert!(missing.contains("\"nowhere\" does not exist") && !missing.contains("hunter"), "{missing}");
    drop(server);
    let gone = error_of(&format!("postgres://postgres:hunter2@127.0.0.1:{port}/postgres")).to_string();
    assert!(gone.contains(&format!("127.0.0.1:{port}")) && gone.contains("refused"), "{gone}");
    assert!(!gone.contains("hunter"), "{gone}");

    let unreadable = error_of("postgres://postgres:hun/ter2@127.0.0.1:port/postgres");
    assert!(matches!(unreadable, OpenError::Config(_)) && !unreadable.to_string().contains("hun"), "{unreadable}");
    let socket = PgConfig { tls: Tls::Verified { extra_ca_pem: None }, ..PgConfig::new("host=/tmp user=u") };
    assert!(matches!(PgDatabase::open(&socket), Err(OpenError::Config(_))));
}

#[test]
fn a_unix_socket_is_an_address() {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    let mut access = tempfile::NamedTempFile::new().unwrap();
    access.write_all(b"local all all trust\nhost all all 127.0.0.1/32 trust\n").unwrap();
    // The server runs under an account of its own.
    access.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).unwrap();
    let folder = std::env::temp_dir();
    let server = Postgres::options()
        .setting("unix_socket_directories", folder.to_str().unwrap())
        .setting("hba_file", access.path().to_str().unwrap())
        .start()
        .unwrap();
    let url = format!("postgres://postgres@/postgres?host={}&port={}", folder.display(), server.port());
    PgDatabase::migrate(&PgConfig::new(&url)).unwrap();
    let store = PgDatabase::open(&PgConfig::new(&url)).unwrap().store();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        insert(&store, &a_user()).await.unwrap();
    });
}

#[tokio::test]
async fn opening_blocks_but_needs_no_runtime_and_minds_none() {
    let database = migrated_database();
    let database = PgDatabase::open(&PgConfig::new(database.url())).unwrap();
    assert_eq!(database.store().ping().await, Ok(()));
}

#[tokio::test]
async fn a_database_without_tables_opens_and_does_not_answer_pings() {
    let database = keystead_test_servers::shared::fresh_database();
    let store = PgDatabase::open(&PgConfig::new(database.url())).unwrap().store();
    assert!(unavailable(store.ping().await).contains("users"));
}

#[tokio::test]
async fn the_clocks_are_compared() {
    let database = migrated_database();
    let other = other_program(database.url()).await;
    let clock = || async {
        let micros = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        other.query_one(micros, &[]).await.unwrap().get::<_, i64>(0)
    };
    let opened = PgDatabase::open(&PgConfig::new(database.url())).unwrap();
    let before = clock().await;
    let behind = Duration::from_secs(60);
    let skew = opened.clock_skew(Timestamp::from_micros(before).minus(behind)).await.unwrap();
    let passed = clock().await - before;
    assert!((60_000_000..=60_000_000 + passed).contains(&skew), "{skew}, {passed} µs passed");
}

#[tokio::test]
async fn errors_hold_no_value_of_a_row() {
    let database = migrated_database();
    let (store, other) = (crate::open(database.url(), 2), other_program(database.url()).await);
    insert(&store, &a_user()).await.unwrap();
    other.batch_execute("UPDATE users SET email = 'ada-has-no-at'").await.unwrap();
    let text = store.read().await.unwrap().users().get(a_user().id).await.unwrap_err().to_string();
    assert!(text.contains("users.email") && !text.contains("ada"), "{text}");

    other.batch_execute("CREATE UNIQUE INDEX audit_once ON audit_events (name)").await.unwrap();
    let mut tx = store.begin().await.unwrap();
    tx.audit().append(&keystead_application::testing::an_audit_event()).await.unwrap();
    let text = tx.audit().append(&keystead_application::testing::an_audit_event()).await.unwrap_err().to_string();
    let name = keystead_application::testing::an_audit_event().name.as_str();
    assert!(text.contains("audit_once") && !text.contains(name), "{text}");
}
