//! Real connections of clients that take their time.

use std::net::SocketAddr;
use std::rc::Rc;
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
/// How long [`slow`] takes.
const SLOW: Duration = Duration::from_millis(300);
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

/// Answers once nothing has come for a while, whatever the body.
async fn slow(handled: Handled, body: web::Payload) -> HttpResponse {
    handled.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(SLOW).await;
    match body.to_bytes().await {
        Ok(body) => HttpResponse::Ok().body(body.len().to_string()),
        Err(_) => HttpResponse::BadRequest().finish(),
    }
}

/// An answer whose second part takes longer than a head may.
async fn streamed() -> HttpResponse {
    let parts = futures_util::stream::unfold(0, |part| async move {
        if part == 1 {
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
        (part < 2).then(|| (Ok::<_, std::io::Error>(web::Bytes::from_static(b"part")), part + 1))
    });
    HttpResponse::Ok().streaming(parts)
}

/// Everything short but what a test is about.
fn rules() -> Connections {
    let (short, long) = (Duration::from_millis(300), Duration::from_secs(600));
    // actix-http looks at the clock every half a second, so shorter times for heads are none.
    let head = Duration::from_secs(1);
    let drain = Duration::from_secs(1);
    let peers = Peers::default();
    Connections { workers: 1, most: 1000, peers, head, idle: long, answer: short, drain, lag: long }
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
            .route("/streamed", web::get().to(streamed))
            .route("/slow", web::post().to(slow))
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

/// What a connection gave actix-http, and how often it asked to be looked at again.
struct Shown {
    guarded: super::guarded::Guarded,
    wakes: Arc<Wakes>,
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl std::task::Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Shown {
    async fn on(listener: &tokio::net::TcpListener) -> (Self, TcpStream) {
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let long = Duration::from_secs(600);
        let patience = super::pace::Patience { first: long, head: long, idle: long, answer: long };
        let thread = super::thread::Thread::watch(patience, 10, long, &Lags::default());
        let transport = super::guarded::Transport::Clear(stream);
        let guarded = super::guarded::Guarded::new(transport, thread.connect(super::peers::Admitted::default()));
        (Self { guarded, wakes: Arc::default() }, client)
    }

    /// Everything it gives until it has to be waited for.
    fn read(&mut self) -> Vec<u8> {
        let waker = std::task::Waker::from(Arc::clone(&self.wakes));
        let mut cx = std::task::Context::from_waker(&waker);
        let mut all = Vec::new();
        loop {
            let mut space = [0; 8192];
            let mut buffer = tokio::io::ReadBuf::new(&mut space);
            if std::pin::Pin::new(&mut self.guarded).poll_read(&mut cx, &mut buffer).is_pending() {
                return all;
            }
            all.extend_from_slice(buffer.filled());
        }
    }

    /// The same, until this is what was given.
    async fn reads(&mut self, expected: &[u8]) {
        let mut all = Vec::new();
        let reading = async {
            while all.len() < expected.len() {
                tokio::task::yield_now().await;
                all.extend(self.read());
            }
        };
        timeout(PATIENCE, reading).await.expect("all of it");
        assert_eq!(String::from_utf8_lossy(&all), String::from_utf8_lossy(expected));
    }
}

/// Finding: pipelining while a request is answered filled 128 KiB of actix-http and made it poll without pause.
#[actix_web::test]
async fn h06_what_is_asked_before_an_answer_is_neither_parsed_nor_polled_for() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    for head in [
        "GET /small HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST /slow HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let (mut shown, mut client) = Shown::on(&listener).await;
        client.write_all(head.as_bytes()).await.unwrap();
        shown.reads(head.as_bytes()).await;
        let line = Rc::clone(shown.guarded.line());
        line.note(super::pace::Pace::begins);
        let flood = SMALL.repeat(4000);
        let mut sent = 0;
        while sent < flood.len() {
            match timeout(Duration::from_millis(50), client.write(&flood.as_bytes()[sent..])).await {
                Ok(written) => sent += written.unwrap(),
                Err(_) => break,
            }
            assert!(shown.read().is_empty(), "{head}");
        }
        assert!(sent > 100_000, "{sent}");
        // A few wakes are the socket's; then it is silent.
        for _ in 0..100 {
            assert!(shown.read().is_empty(), "{head}");
            tokio::task::yield_now().await;
        }
        let before = shown.wakes.0.load(Ordering::Relaxed);
        for _ in 0..100 {
            assert!(shown.read().is_empty(), "{head}");
            tokio::task::yield_now().await;
        }
        assert_eq!(shown.wakes.0.load(Ordering::Relaxed), before, "it polls without pause");
        // One answer is leave for one request.
        line.note(super::pace::Pace::answered);
        assert_eq!(shown.wakes.0.load(Ordering::Relaxed), before + 1);
        assert_eq!(shown.read(), SMALL.as_bytes());
    }
}

#[actix_web::test]
async fn h06_of_a_body_nobody_asked_for_little_is_read() {
    let (address, handled) = start(patient(), None);
    let body = "b".repeat(300_000);
    for framed in [
        format!("content-length: 300000\r\n\r\n{body}"),
        format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
    ] {
        let mut stream = connect(address, &format!("POST /slow HTTP/1.1\r\nhost: a\r\n{framed}{SMALL}")).await;
        assert!(said_until(&mut stream, "\r\n\r\n300000").await.starts_with("HTTP/1.1 200"));
        said_until(&mut stream, "\r\n\r\nsmall").await;
    }
    assert_eq!(handled.load(Ordering::Relaxed), 4);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mut shown, client) = Shown::on(&listener).await;
    let head = "POST /slow HTTP/1.1\r\nhost: a\r\ncontent-length: 300000\r\n\r\n";
    let sending = actix_web::rt::spawn(async move {
        let mut client = client;
        client.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        client
    });
    let mut read = 0;
    for _ in 0..1000 {
        read += shown.read().len();
        tokio::task::yield_now().await;
    }
    assert!(read > head.len() && read < 32 * 1024, "{read}");
    shown.guarded.line().note(super::pace::Pace::awaits_body);
    let more = async {
        while shown.read().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, more).await.expect("more, as it is waited for");
    sending.abort();
}

#[actix_web::test]
async fn h08_heads_that_are_too_long_are_refused_and_the_connection_ends() {
    let (address, handled) = start(patient(), None);
    let long = "a".repeat(125_000);
    for (head, status) in [
        (format!("GET /small HTTP/1.1\r\nhost: a\r\nx: {long}\r\n\r\n"), 431),
        (format!("GET /small HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", &long[..20_000]), 431),
        (format!("GET /small HTTP/1.1\r\nhost: a\r\n{long}: b\r\n\r\n"), 400),
        (format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n"), 400),
    ] {
        for before in ["", SMALL] {
            let mut stream = connect(address, &format!("{before}{head}")).await;
            if !before.is_empty() {
                said_until(&mut stream, "\r\n\r\nsmall").await;
            }
            let said = last_words(&mut stream).await;
            assert!(said.starts_with(&format!("HTTP/1.1 {status}")), "{said}");
            assert_eq!(said.matches("HTTP/1.1").count(), 1, "{said}");
        }
    }
    // Behind a request that is being answered, in its body's last read: actix-http panics at a name of 64 KiB.
    let sent = "POST /slow HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut stream = connect(address, sent).await;
    stream.write_all(format!("0\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n{long}: b\r\n\r\n").as_bytes()).await.unwrap();
    let said = last_words(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 200") && said.contains("HTTP/1.1 400"), "{said}");
    assert_eq!(handled.load(Ordering::Relaxed), 5);
}

#[actix_web::test]
async fn h05_lines_that_end_without_cr_are_refused() {
    let (address, handled) = start(patient(), None);
    for sent in [
        "GET /small HTTP/1.1\nhost: a\n\n",
        "GET /small HTTP/1.1\r\nhost: a\r\nx: a\nx-forwarded-for: 6.6.6.6\r\n\r\n",
        "GET /small HTTP/1.1\r\nhost: a\r\n\n",
        "\nGET /small HTTP/1.1\r\nhost: a\r\n\r\n",
    ] {
        let said = last_words(&mut connect(address, sent).await).await;
        assert!(said.starts_with("HTTP/1.1 400"), "{sent:?}: {said}");
        let mut stream = connect(address, &format!("{SMALL}{sent}")).await;
        said_until(&mut stream, "\r\n\r\nsmall").await;
        let said = last_words(&mut stream).await;
        assert!(said.starts_with("HTTP/1.1 400"), "{sent:?}: {said}");
    }
    let trailer = "POST /slow HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: a\ny: b\r\n\r\n";
    let said = last_words(&mut connect(address, trailer).await).await;
    assert!(said.starts_with("HTTP/1.1 400"), "{said}");
    assert_eq!(handled.load(Ordering::Relaxed), 5);
}

#[actix_web::test]
async fn an_answer_that_is_made_slowly_is_waited_for() {
    let (address, _) = start(Connections { most: 2, ..rules() }, None);
    // Where room is short, and with the beginning of another request sent too early.
    let _other = connect(address, "GET /streamed HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut stream = connect(address, "GET /streamed HTTP/1.1\r\nhost: a\r\n\r\nGET").await;
    let said = said_until(&mut stream, "0\r\n\r\n").await;
    assert_eq!(said.matches("part").count(), 2, "{said}");
    // The beginning is timed from then on.
    assert_eq!(last_words(&mut stream).await, "");
}

#[actix_web::test]
async fn c03_an_address_has_its_share_of_connections() {
    let peers = Peers { per_address: 3, ..Peers::default() };
    let (config, roots) = tls();
    for tls in [None, Some(config)] {
        let over = tls.is_some();
        let (address, _) = start(Connections { peers: peers.clone(), ..patient() }, tls);
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(connect(address, "").await);
        }
        let fourth = if over {
            over_tls(address, &roots, &[]).await.err().map(|_| String::new())
        } else {
            Some(last_words(&mut connect(address, "").await).await)
        };
        assert_eq!(fourth.as_deref(), Some(""), "it is let in");
        drop(held);
        let again = async {
            loop {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let _ = stream.write_all(SMALL.as_bytes()).await;
                let mut byte = [0];
                if over || stream.read(&mut byte).await.is_ok_and(|count| count == 1) {
                    break;
                }
            }
        };
        timeout(PATIENCE, again).await.expect("a place that was left");
    }
}

#[actix_web::test]
async fn denied_networks_do_not_get_in_and_proxies_are_kept_where_room_is_short() {
    let loopback: Vec<ipnet::IpNet> = vec!["127.0.0.0/8".parse().unwrap()];
    let denied = Peers { denied: loopback.clone(), ..Peers::default() };
    let (address, handled) = start(Connections { peers: denied, ..patient() }, None);
    assert_eq!(last_words(&mut connect(address, "").await).await, "");
    assert_eq!(handled.load(Ordering::Relaxed), 0);

    let trusted = crate::http::TrustedProxies::new(loopback);
    let peers = Peers { trusted, per_address: 0, ..Peers::default() };
    let (address, _) = start(Connections { most: 2, peers, ..rules() }, None);
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(address, SMALL).await;
        said_until(&mut stream, "small").await;
        held.push(stream);
    }
    // Longer than a stranger would be kept.
    for stream in &mut held {
        let mut byte = [0];
        assert!(timeout(Duration::from_secs(2), stream.read(&mut byte)).await.is_err(), "it was ended");
        stream.write_all(SMALL.as_bytes()).await.unwrap();
        said_until(stream, "small").await;
    }
}
