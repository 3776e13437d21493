//! A request that panics or takes too long gives back what it held: its place at the hasher and its connection to the
//! database (F24).
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::future::{pending, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse};
use keystead_adapters_crypto::{Argon2Config, Argon2Hasher, OsEntropy};
use keystead_adapters_sqlite::{SqliteConfig, SqliteDatabase, SqliteStore};
use keystead_api_actix::http::pressure::{Connections, Lags, Peers, bind, serve};
use keystead_api_actix::http::{Edge, HttpSettings};
use keystead_application::ports::{PasswordHasher as _, Store as _};
use keystead_domain::account::Password;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// More than there are places or connections.
const TIMES: usize = 12;
const DEADLINE: Duration = Duration::from_millis(200);
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

struct Held {
    hasher: Argon2Hasher,
    store: SqliteStore,
}

/// Takes the one connection that writes and begins a hash; then `end`.
async fn hold(held: &Held, end: impl Future<Output = ()>) -> HttpResponse {
    let tx = held.store.begin().await.unwrap();
    let password = Password::for_verification("plough harbour violet").unwrap();
    let mut hash = pin!(held.hasher.hash(&password));
    let begun = poll_fn(|cx| Poll::Ready(hash.as_mut().poll(cx).is_pending())).await;
    end.await;
    drop(tx);
    HttpResponse::Ok().body(begun.to_string())
}

async fn panics(held: Data<Held>) -> HttpResponse {
    hold(&held, async { panic!("on purpose") }).await
}

async fn hangs(held: Data<Held>) -> HttpResponse {
    hold(&held, pending()).await
}

/// What any request may do.
async fn works(held: Data<Held>) -> HttpResponse {
    held.store.begin().await.unwrap().commit().await.unwrap();
    let password = Password::for_verification("plough harbour violet").unwrap();
    held.hasher.hash(&password).await.unwrap();
    HttpResponse::Ok().body(format!("{} running, {} queued", held.hasher.running(), held.hasher.queued()))
}

fn start(folder: &std::path::Path) -> SocketAddr {
    let config = Argon2Config { memory_kib: 1024, passes: 1, lanes: 1, permits: 1, queue: 2 };
    let database = SqliteDatabase::open(&SqliteConfig::new(folder.join("keystead.db"))).unwrap();
    let held = Data::new(Held {
        hasher: Argon2Hasher::try_new(config, Arc::new(OsEntropy)).unwrap(),
        store: database.store(),
    });
    let app = move || {
        App::new()
            .wrap(Edge::new(Arc::new(HttpSettings::default()), Arc::new(OsEntropy)).with_deadline(DEADLINE))
            .app_data(held.clone())
            .route("/panics", web::get().to(panics))
            .route("/hangs", web::get().to(hangs))
            .route("/works", web::get().to(works))
    };
    let long = Duration::from_secs(600);
    let rules = Connections {
        workers: 1,
        most: 100,
        peers: Peers::default(),
        head: long,
        idle: long,
        answer: long,
        drain: Duration::from_secs(1),
        lag: long,
    };
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    actix_web::rt::spawn(serve(listener, None, rules, Lags::default(), app).unwrap());
    address
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

#[actix_web::test]
async fn f24_a_panic_loses_no_place_at_the_hasher_and_no_connection() {
    let folder = tempfile::tempdir().unwrap();
    let address = start(folder.path());
    for _ in 0..TIMES {
        let answer = get(address, "/panics").await;
        assert!(answer.starts_with("HTTP/1.1 500") && answer.contains("\"code\":\"INTERNAL\""), "{answer}");
        let answer = get(address, "/works").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("0 queued"), "{answer}");
    }
}

#[actix_web::test]
async fn a_request_that_takes_too_long_is_ended_with_all_it_held() {
    let folder = tempfile::tempdir().unwrap();
    let address = start(folder.path());
    for _ in 0..TIMES {
        let answer = get(address, "/hangs").await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("\"DEPENDENCY_UNAVAILABLE\""), "{answer}");
        assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
        let answer = get(address, "/works").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("0 queued"), "{answer}");
    }
}
