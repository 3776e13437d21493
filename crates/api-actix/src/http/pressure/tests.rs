//! Real connections of clients that take their time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse};
use keystead_application::ports::Entropy;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Interest};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::*;
use crate::http::{Edge, HttpSettings};

/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);
/// A request small enough that one step of reading holds hundreds.
const SMALL: &str = "GET /small HTTP/1.1\r\nhost: a\r\n\r\n";

struct NoEntropy;

impl Entropy for NoEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

/// How many requests were handled.
type Handled = Data<AtomicUsize>;

async fn small(handled: Handled) -> HttpResponse {
    handled.fetch_add(1, Ordering::Relaxed);
    HttpResponse::Ok().body("small")
}

async fn large(handled: Handled) -> HttpResponse {
    handled.fetch_add(1, Ordering::Relaxed);
    HttpResponse::Ok().body(vec![b'x'; 16 * 1024 * 1024])
}

/// Everything short but what a test is about.
fn rules() -> Connections {
    let (short, long) = (Duration::from_millis(300), Duration::from_secs(600));
    // actix-http looks at the clock every half a second, so shorter times for heads are none.
    let head = Duration::from_secs(1);
    Connections { workers: 1, most: 1000, head, idle: long, answer: short, drain: Duration::from_secs(1), lag: long }
}

/// Rules that no test breaks.
fn patient() -> Connections {
    Connections { head: Duration::from_secs(600), answer: Duration::from_secs(600), ..rules() }
}

/// A server of these rules, and how many requests it handled.
fn start(rules: Connections, tls: Option<rustls::ServerConfig>) -> (SocketAddr, Handled) {
    let handled = Handled::new(AtomicUsize::new(0));
    let counter = handled.clone();
    let app = move || {
        App::new()
            .wrap(Edge::new(Arc::new(HttpSettings::default()), Arc::new(NoEntropy)))
            .app_data(counter.clone())
            .route("/small", web::get().to(small))
            .route("/large", web::get().to(large))
            .route("/health/live", web::get().to(small))
            .route("/api/v1/auth/token/verify", web::post().to(small))
    };
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    actix_web::rt::spawn(serve(listener, tls, rules, Lags::default(), app).unwrap());
    (address, handled)
}

async fn connect(address: SocketAddr, sent: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    stream
}

/// Everything said until the connection ends.
async fn last_words(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut said = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("the end of the connection");
    String::from_utf8(said).unwrap()
}

/// What is said up to this text.
async fn said_until(stream: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let mut said = String::new();
    let mut byte = [0];
    while !said.ends_with(end) {
        let read = timeout(PATIENCE, stream.read(&mut byte)).await.expect("an answer").unwrap();
        assert!(read == 1, "the connection ended after {said:?}");
        said.push(char::from(byte[0]));
    }
    said
}

#[actix_web::test]
async fn h06_heads_that_do_not_come_are_not_waited_for() {
    let (address, _) = start(rules(), None);
    for sent in ["", "GET /sm", "GET /small HTTP/1.1\r\nhost: a\r\n"] {
        let said = last_words(&mut connect(address, sent).await).await;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{sent:?}: {said}");
    }
    // The second head of a connection, which actix-http does not time.
    let mut stream = connect(address, SMALL).await;
    said_until(&mut stream, "small").await;
    stream.write_all(b"GET /sm").await.unwrap();
    assert_eq!(last_words(&mut stream).await, "");
    // The same, sent with the first one, which is known as soon as the first is answered or more of it comes.
    let mut stream = connect(address, SMALL).await;
    stream.write_all(format!("{SMALL}GET /sm").as_bytes()).await.unwrap();
    said_until(&mut stream, "small").await;
    said_until(&mut stream, "small").await;
    stream.write_all(b"a").await.unwrap();
    assert_eq!(last_words(&mut stream).await, "");
}

#[actix_web::test]
async fn h06_answers_that_are_not_taken_end_the_connection() {
    let (address, handled) = start(rules(), None);
    let stream = connect(address, "GET /large HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let ended = timeout(PATIENCE, stream.ready(Interest::ERROR)).await.expect("the end of the connection");
    assert!(ended.unwrap().is_error());
    assert_eq!(handled.load(Ordering::Relaxed), 1);
    // One that takes it in its own time, which is fast enough, gets all of it.
    let (address, _) = start(patient(), None);
    let mut reading = connect(address, "GET /large HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    let said = last_words(&mut reading).await;
    assert!(said.starts_with("HTTP/1.1 200") && said.len() > 16 * 1024 * 1024, "{}", said.len());
}

#[actix_web::test]
async fn h06_whoever_asks_on_without_reading_is_answered_no_further() {
    let (address, handled) = start(Connections { answer: Duration::from_secs(2), ..rules() }, None);
    let stream = TcpStream::connect(address).await.unwrap();
    let requests = SMALL.repeat(1000);
    let mut sent = 0;
    let flood = async {
        // As much as the sockets take; an error is the end of the connection.
        loop {
            stream.writable().await.unwrap();
            match stream.try_write(requests.as_bytes()) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
    };
    timeout(PATIENCE, flood).await.expect("the end of the connection");
    // Some megabytes lie in the buffers of both sockets; the requests that were handled are those whose answers do.
    let (sent, handled) = (sent / SMALL.len(), handled.load(Ordering::Relaxed));
    assert!(handled < sent, "all {sent} were answered");
    // The thread is free for others.
    let mut other = connect(address, SMALL).await;
    said_until(&mut other, "small").await;
}

#[actix_web::test]
async fn a_client_that_asks_many_times_at_once_gets_every_answer() {
    let (address, handled) = start(patient(), None);
    let stream = TcpStream::connect(address).await.unwrap();
    let (answers, mut requests) = stream.into_split();
    let mut answers = BufReader::new(answers);
    let sending = actix_web::rt::spawn(async move {
        requests.write_all(SMALL.repeat(5000).as_bytes()).await.unwrap();
        requests
    });
    for _ in 0..5000 {
        said_until(&mut answers, "\r\n\r\nsmall").await;
    }
    drop(sending.await.unwrap());
    assert_eq!(handled.load(Ordering::Relaxed), 5000);
}

#[actix_web::test]
async fn h10_http_2_is_a_bad_request() {
    let (address, handled) = start(rules(), None);
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0";
    let said = last_words(&mut connect(address, preface).await).await;
    assert!(said.starts_with("HTTP/1.1 400"), "{said}");
    let upgrade = "GET /small HTTP/1.1\r\nhost: a\r\nconnection: Upgrade, HTTP2-Settings, close\r\nupgrade: h2c\r\n\
                   http2-settings: AAMAAABkAAQAAP__\r\n\r\n";
    let said = last_words(&mut connect(address, upgrade).await).await;
    assert!(said.starts_with("HTTP/1.1 200") && said.ends_with("small"), "{said}");
    assert_eq!(handled.load(Ordering::Relaxed), 1);
}

#[actix_web::test]
async fn where_room_is_short_idle_connections_make_room() {
    let (address, _) = start(Connections { most: 2, ..rules() }, None);
    let mut idle = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(address, SMALL).await;
        said_until(&mut stream, "small").await;
        idle.push(stream);
    }
    let mut third = connect(address, SMALL).await;
    said_until(&mut third, "small").await;
    for mut stream in idle {
        assert_eq!(last_words(&mut stream).await, "");
    }
}

#[actix_web::test]
async fn a_thread_that_cannot_keep_up_serves_the_hot_path_alone() {
    // Every timer comes a little late.
    let (address, _) = start(Connections { lag: Duration::ZERO, ..rules() }, None);
    let closing = SMALL.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    let shed = async {
        loop {
            let said = last_words(&mut connect(address, &closing).await).await;
            if said.starts_with("HTTP/1.1 503") {
                return said;
            }
        }
    };
    let said = timeout(PATIENCE, shed).await.expect("a refusal");
    assert!(said.contains("\"code\":\"OVERLOADED\"") && said.contains("retry-after: 1\r\n"), "{said}");
    assert!(said.contains("x-content-type-options: nosniff"), "{said}");
    for sent in [
        "GET /health/live HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        "POST /api/v1/auth/token/verify HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    ] {
        let said = last_words(&mut connect(address, sent).await).await;
        assert!(said.starts_with("HTTP/1.1 200"), "{sent}: {said}");
    }
}

/// TLS for `localhost`, and clients that trust it.
fn tls() -> (rustls::ServerConfig, rustls::RootCertStore) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.clone(), key)
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(chain.into_iter().next().unwrap()).unwrap();
    (config, roots)
}

async fn over_tls(
    address: SocketAddr,
    roots: &rustls::RootCertStore,
    protocols: &[&str],
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    client.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::new(client)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

#[actix_web::test]
async fn h06_clients_of_tls_are_held_to_the_same_pace() {
    let (config, roots) = tls();
    let (address, _) = start(rules(), Some(config));
    // No handshake, half of one, and one with nothing after it.
    assert_eq!(last_words(&mut connect(address, "").await).await, "");
    assert_eq!(last_words(&mut connect(address, "\u{16}\u{3}\u{1}").await).await, "");
    let said = last_words(&mut over_tls(address, &roots, &[]).await.unwrap()).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
    let mut stream = over_tls(address, &roots, &[]).await.unwrap();
    stream.write_all(SMALL.as_bytes()).await.unwrap();
    said_until(&mut stream, "small").await;
    stream.write_all(b"GET /sm").await.unwrap();
    assert_eq!(last_words(&mut stream).await, "");
    let mut stream = over_tls(address, &roots, &[]).await.unwrap();
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let ended = timeout(PATIENCE, stream.get_ref().0.ready(Interest::ERROR)).await.expect("the end of the connection");
    assert!(ended.unwrap().is_error());
}

#[actix_web::test]
async fn h10_tls_speaks_http_1_alone() {
    let (config, roots) = tls();
    let (address, _) = start(rules(), Some(config));
    for offered in [&["h2", "http/1.1"][..], &["http/1.1"]] {
        let mut stream = over_tls(address, &roots, offered).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]), "{offered:?}");
        stream.write_all(SMALL.as_bytes()).await.unwrap();
        assert!(said_until(&mut stream, "small").await.starts_with("HTTP/1.1 200"));
    }
    assert!(over_tls(address, &roots, &["h2"]).await.is_err());
}
