//! What `open` takes and what it refuses.

use keystead_adapters_redis::{OpenError, RedisConfig, RedisLink, Tls, Topology};
use keystead_application::ports::{CeremonyKey, CeremonyKind, CeremonyStore, RateHit, RateLimiter, RevocationFeed};
use keystead_application::ports::{Rotation, SessionStore, SessionUpdate};
use keystead_application::testing::{a_presentation, a_revocation, a_session, after, session_number};
use keystead_domain::limits;
use keystead_domain::token::{EndReason, Generation, Session};
use keystead_test_servers::{Redis, RedisCluster};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::time::Duration;

use crate::servers;

/// The line of the crate's documentation.
const ACL: &str = "user keystead on >secret resetchannels ~keystead:* -@all +ping +info +select +cluster|slots +asking \
                   +eval +evalsha +exists +del +pexpire +pttl +hget +hmget +hgetall +hset +hincrby +zadd +zrem \
                   +zrangebyscore +zremrangebyscore +xadd +xrange +xrevrange +xread";

fn refusal(config: &RedisConfig) -> OpenError {
    RedisLink::open(config).err().unwrap()
}

/// Every command of every port.
pub async fn exercise(link: &RedisLink) {
    let (sessions, ceremonies) = (link.sessions(), link.ceremonies());
    sessions.insert(&a_session()).await.unwrap();
    let rotation = Rotation { session: a_session().id, shown: a_presentation(1, after(1)) };
    sessions.rotate(&rotation).await.unwrap().unwrap();
    let update = SessionUpdate { auth_time: Some(after(1)), ..SessionUpdate::default() };
    assert!(sessions.update(&a_session().id, &update).await.unwrap());
    sessions.touch(&[(a_session().id, after(2))]).await.unwrap();
    assert_eq!(sessions.list(a_session().user_id, after(2)).await.unwrap().len(), 1);
    let ended = sessions.end_all(a_session().user_id, None, EndReason::LoggedOut, after(2)).await.unwrap();
    assert_eq!(ended, [a_session().id]);
    assert!(sessions.find(&a_session().id, after(2)).await.unwrap().is_some());

    let key = CeremonyKey { kind: CeremonyKind::Code, id: "a".into() };
    assert!(ceremonies.insert(&key, b"1", after(0), after(300)).await.unwrap());
    assert!(ceremonies.overwrite(&key, b"2", after(0), after(300)).await.unwrap());
    assert!(ceremonies.find(&key, after(1)).await.unwrap().is_some());
    assert!(ceremonies.take(&key, after(1)).await.unwrap().is_some());

    let hit = RateHit { key: "192.0.2.7".into(), policy: limits::LOGIN };
    assert!(link.rate_limiter().hit(&[hit], after(0)).await.unwrap()[0].allowed);

    let feed = link.revocation_feed("exercise".into());
    let cursor = feed.read(None, Duration::ZERO).await.unwrap().cursor;
    feed.read(Some(cursor.clone()), Duration::from_millis(5)).await.unwrap();
    feed.publish(&[a_revocation()]).await.unwrap();
    assert_eq!(feed.read(Some(cursor), Duration::ZERO).await.unwrap().revocations, [a_revocation()]);
    link.ping().await.unwrap();
}

/// A Redis that may throw sessions away is refused, in a sentence that says what to set.
#[test]
fn a_redis_that_evicts_is_refused() {
    let server = Redis::options().line("maxmemory-policy allkeys-lru").start().unwrap();
    let error = refusal(&servers::on(server.port())).to_string();
    assert!(error.contains("maxmemory-policy noeviction") && error.contains("allkeys-lru"), "{error}");
    server.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).unwrap();
    servers::open(&servers::on(server.port()));
    let cluster = RedisCluster::start().unwrap();
    cluster.nodes()[2].command(&["CONFIG", "SET", "maxmemory-policy", "volatile-lru"]).unwrap();
    assert!(refusal(&servers::cluster_of(&cluster)).to_string().contains("volatile-lru"), "every master is looked at");
}

/// Nobody there, a replica, and a server of another topology.
#[test]
fn a_server_of_the_wrong_kind_is_refused() {
    let (master, cluster) = (Redis::start().unwrap(), RedisCluster::start().unwrap());
    let replica = Redis::options().line(&format!("replicaof 127.0.0.1 {}", master.port())).start().unwrap();
    assert!(refusal(&servers::on(replica.port())).to_string().contains("read-only replica"));
    let node = cluster.nodes()[0].port();
    assert!(refusal(&servers::on(node)).to_string().contains("configure it as a cluster"));
    let nodes = vec![("127.0.0.1".to_owned(), master.port())];
    let config = RedisConfig { topology: Topology::Cluster { nodes }, ..servers::on(0) };
    assert!(refusal(&config).to_string().contains("cluster support disabled"));
    master.stop().unwrap();
    assert!(matches!(refusal(&servers::on(master.port())), OpenError::Unreachable(_)));
}

/// A server that comes up a moment after the service is waited for.
#[test]
fn a_redis_that_is_about_to_answer_is_waited_for() {
    let server = Redis::start().unwrap();
    let config = servers::hurried(server.port());
    server.stop().unwrap();
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| RedisLink::open(&config).map(drop));
        server.restart().unwrap();
        opening.join().unwrap().unwrap();
    });
}

/// A command whose work is in the database may begin while Redis is away; one that is set up wrongly is refused still.
#[tokio::test]
async fn a_link_can_be_had_while_redis_is_away() {
    let server = Redis::start().unwrap();
    let config = servers::hurried(server.port());
    server.stop().unwrap();
    let link = RedisLink::open_though_away(&config).unwrap();
    assert!(link.ping().await.is_err());
    server.restart().unwrap();
    servers::recovered(async || link.ping().await).await;
    exercise(&link).await;
    server.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).unwrap();
    assert!(matches!(RedisLink::open_though_away(&config), Err(OpenError::Unsuitable { .. })));
}

/// Sessions of another store come over as they are, and once more over what is there.
#[tokio::test]
async fn sessions_are_carried_over() {
    for config in [servers::single(), servers::cluster()] {
        let sessions = servers::open(&config).sessions();
        let ended = Session { ended: Some(EndReason::LoggedOut), ..session_number(2) };
        let rotated = Session { head: Generation::new(7), rotated_at: Some(after(3)), ..session_number(3) };
        let all = [session_number(1), ended, rotated];
        for _ in 0..2 {
            sessions.carry_over(&all, after(5)).await.unwrap();
            for session in &all {
                assert_eq!(sessions.find(&session.id, after(5)).await.unwrap().as_ref(), Some(session));
            }
            let listed = sessions.list(all[0].user_id, after(5)).await.unwrap();
            assert_eq!(listed, [all[2].clone(), all[0].clone()]);
        }
    }
}

/// The user of the documentation may do all that is needed; and nobody else gets in.
#[test]
fn a_user_with_the_documented_rights_suffices() {
    let server = Redis::options().acl(&format!("user default off\n{ACL}\n")).start().unwrap();
    let config = RedisConfig { prefix: "keystead".into(), ..servers::on(server.port()) };
    let user = |name: &str, password: &str| RedisConfig {
        username: Some(name.into()),
        password: Some(password.to_owned().into()),
        ..config.clone()
    };
    assert!(matches!(refusal(&config), OpenError::Unreachable(_)), "no password");
    let error = refusal(&user("keystead", "guessed")).to_string();
    assert!(error.contains("authentication failed") && !error.contains("guessed"), "{error}");
    for database in [0, 3] {
        // A runtime of the caller's own, to show that open blocks on any thread.
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let config = RedisConfig { database, ..user("keystead", "secret") };
            exercise(&servers::open(&config)).await;
        });
    }
}

/// The same on a cluster.
#[tokio::test]
async fn the_documented_rights_suffice_on_a_cluster() {
    let cluster = RedisCluster::start().unwrap();
    for node in cluster.nodes() {
        let words: Vec<&str> = ["ACL", "SETUSER"].into_iter().chain(ACL.split_whitespace().skip(1)).collect();
        node.command(&words).unwrap();
    }
    let config = RedisConfig {
        prefix: "keystead".into(),
        username: Some("keystead".into()),
        password: Some("secret".to_owned().into()),
        ..servers::cluster_of(&cluster)
    };
    exercise(&servers::open(&config)).await;
}

/// The certificate must come from a trusted authority and name the host.
#[tokio::test]
async fn a_certificate_is_always_checked() {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    };
    let (trusted, stranger) = (authority("trusted"), authority("stranger"));
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &trusted).unwrap();
    let server = Redis::options().tls(&certificate.pem(), &key.serialize_pem()).start().unwrap();
    let with = |host: &str, pem: Option<String>| RedisConfig {
        topology: Topology::Single { host: host.into(), port: server.port() },
        tls: Tls::Verified { extra_ca_pem: pem.map(String::into_bytes) },
        ..servers::on(0)
    };
    exercise(&servers::open(&with("127.0.0.1", Some(trusted.pem())))).await;
    let both = format!("{}{}", stranger.pem(), trusted.pem());
    servers::open(&with("127.0.0.1", Some(both)));
    for (host, pem) in [("127.0.0.1", Some(stranger.pem())), ("127.0.0.1", None), ("localhost", Some(trusted.pem()))] {
        let error = refusal(&with(host, pem)).to_string();
        assert!(error.contains("certificate"), "{error}");
    }
    assert!(matches!(refusal(&servers::on(server.port())), OpenError::Unreachable(_)), "no TLS");
}
