//! Starting, stopping, killing and freezing real servers.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;

use keystead_test_servers::{Mode, Postgres, Redis, RedisCluster, Sentinel, Value, shared};

#[test]
fn what_postgres_committed_survives_every_way_to_end() {
    let postgres = Postgres::start().unwrap();
    let port = postgres.port();
    postgres.execute("CREATE TABLE t (n int)").unwrap();
    for n in 0..3 {
        postgres.execute(&format!("INSERT INTO t VALUES ({n})")).unwrap();
        let before = postgres.pid();
        match n {
            0 => postgres.stop(Mode::Fast).unwrap(),
            1 => postgres.stop(Mode::Immediate).unwrap(),
            _ => postgres.kill(),
        }
        assert_eq!(postgres.pid(), None);
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
        postgres.restart().unwrap();
        assert_ne!(postgres.pid(), before);
    }
    assert_eq!(postgres.execute("SELECT string_agg(n::text, ',' ORDER BY n) FROM t").unwrap(), "0,1,2");
    assert!(postgres.log().contains("automatic recovery in progress"), "{}", postgres.log());
}

#[test]
fn errors_of_statements_are_errors_and_in_the_log() {
    let postgres = Postgres::options().setting("log_statement", "all").start().unwrap();
    assert_eq!(postgres.execute("SELECT 1, 'a|b'; SELECT 2").unwrap(), "1|a|b\n2");
    let error = postgres.execute("SELECT 1; SELECT * FROM nowhere; SELECT 2").unwrap_err();
    assert!(error.to_string().contains("\"nowhere\" does not exist"), "{error}");
    assert_eq!(postgres.execute("SELECT 3;").unwrap(), "3");
    assert!(postgres.log().contains("\"nowhere\" does not exist"), "{}", postgres.log());
}

#[test]
fn a_frozen_postgres_keeps_connections_and_answers_none() {
    let postgres = Postgres::start().unwrap();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, postgres.port())).unwrap();
    postgres.freeze();
    // Asks whether TLS is spoken: eight bytes, answered by one.
    stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut answer = [0];
    assert!(stream.read_exact(&mut answer).is_err());
    postgres.thaw();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"N");
    postgres.freeze();
    postgres.stop(Mode::Fast).unwrap();
}

#[test]
fn a_database_lives_as_long_as_its_value() {
    let postgres = Postgres::start().unwrap();
    let exists = |name: &str| {
        postgres.execute(&format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'")).unwrap() == "1"
    };
    let one = postgres.fresh_database().unwrap();
    let two = postgres.copy_of(&one).unwrap();
    assert_ne!(one.name(), two.name());
    assert_eq!(one.url(), format!("postgres://postgres@127.0.0.1:{}/{}", postgres.port(), one.name()));
    let name = two.name().to_owned();
    assert!(exists(&name));
    drop(two);
    assert!(!exists(&name));
    assert!(exists(one.name()));
}

#[test]
fn prepared_databases_are_copies() {
    let prepared = || shared::prepared_database("test", |url| assert!(url.starts_with("postgres")));
    let (one, two) = (prepared(), prepared());
    assert_ne!(one.url(), two.url());
    assert_ne!(shared::redis_prefix(), shared::redis_prefix());
}

#[test]
fn a_postgres_with_a_password_asks_for_it() {
    let postgres = Postgres::options().password("it's").start().unwrap();
    assert!(postgres.url().contains(":it's@"));
    assert_eq!(postgres.execute("SELECT 1").unwrap(), "1");
    let stored = postgres.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'").unwrap();
    assert!(stored.starts_with("SCRAM-SHA-256"), "{stored}");
    let rules = postgres.execute("SELECT DISTINCT auth_method FROM pg_hba_file_rules").unwrap();
    assert_eq!(rules, "scram-sha-256");
}

#[test]
fn redis_ends_in_every_way_and_comes_back_on_its_port() {
    let redis = Redis::options().line("appendonly yes").line("appendfsync always").password("secret").start().unwrap();
    assert_eq!(redis.url(), format!("redis://:secret@127.0.0.1:{}", redis.port()));
    redis.command(&["SET", "key", "value"]).unwrap();
    for end in 0..2 {
        match end {
            0 => redis.stop().unwrap(),
            _ => redis.kill(),
        }
        assert_eq!(redis.pid(), None);
        assert!(redis.command(&["PING"]).is_err());
        redis.restart().unwrap();
        assert_eq!(redis.command(&["GET", "key"]).unwrap(), Value::Text("value".into()));
    }
    redis.freeze();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, redis.port())).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(stream.read_exact(&mut [0]).is_err());
    redis.thaw();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.read_exact(&mut [0]).unwrap();
}

#[test]
fn users_of_an_acl_file_are_known() {
    let redis = Redis::options().acl("user keystead on >secret ~k:* +@all\n").start().unwrap();
    assert!(redis.command(&["ACL", "LIST"]).unwrap().to_string().contains("user keystead on"));
    assert!(redis.command(&["AUTH", "keystead", "wrong"]).is_err());
    assert!(redis.command(&["AUTH", "keystead", "secret"]).is_ok());
}

#[test]
fn a_cluster_has_three_masters_and_survives_the_restart_of_one() {
    let cluster = RedisCluster::start().unwrap();
    assert_eq!(cluster.urls().len(), 3);
    // Slot 12182 is the last node's.
    assert!(cluster.nodes()[0].command(&["SET", "foo", "1"]).unwrap_err().to_string().starts_with("MOVED 12182"));
    cluster.nodes()[2].command(&["SET", "foo", "1"]).unwrap();
    cluster.nodes()[0].kill();
    cluster.nodes()[0].restart().unwrap();
    cluster.wait_until_whole().unwrap();
    assert_eq!(cluster.nodes()[2].command(&["GET", "foo"]).unwrap(), Value::Text("1".into()));
}

#[test]
fn sentinels_make_the_replica_master() {
    let sentinel = Sentinel::start().unwrap();
    assert_eq!(sentinel.sentinel_ports().len(), 3);
    let first = sentinel.kill_master().unwrap();
    sentinel.wait_for_failover(first).unwrap();
    let second = sentinel.master_port().unwrap();
    assert_ne!(first, second);
    let master = sentinel.servers().iter().find(|server| server.port() == second).unwrap();
    master.command(&["SET", "key", "value"]).unwrap();
}

#[test]
fn logs_are_where_they_are_said_to_be() {
    let postgres = Postgres::start().unwrap();
    let path = postgres.log_path();
    assert!(std::fs::read_to_string(&path).unwrap().contains("database system is ready to accept connections"));
    drop(postgres);
    assert!(!path.parent().is_some_and(Path::exists));
}

#[test]
fn servers_speak_tls_with_the_certificate_they_are_given() {
    let issued = rcgen::generate_simple_self_signed(["localhost".into(), "127.0.0.1".into()]).unwrap();
    let (certificate, key) = (issued.cert.pem(), issued.signing_key.serialize_pem());
    let postgres = Postgres::options().tls(&certificate, &key).require_tls().password("secret").start().unwrap();
    let used = postgres.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").unwrap();
    assert_eq!(used, "t");
    let redis = Redis::options().tls(&certificate, &key).start().unwrap();
    assert!(redis.url().starts_with("rediss://"));
    // Without TLS there is no answer in its protocol.
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, redis.port())).unwrap();
    stream.write_all(b"PING\r\nPING\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"+"), "{answer:?}");
}
