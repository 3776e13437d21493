//! What the in-process harness cannot show: real connections.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::web::Data;
use actix_web::{App, HttpServer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::tests::{CountingEntropy, routes, settings};
use super::*;

fn serve() -> SocketAddr {
    let edge = Edge::new(Arc::new(settings(true)), Arc::new(CountingEntropy));
    let factory = move || App::new().wrap(edge.clone()).app_data(Data::new(settings(true))).configure(routes);
    let server = HttpServer::new(factory).workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let address = server.addrs()[0];
    actix_web::rt::spawn(server.run());
    address
}

/// Sends bytes and reads answers until the connection ends or `stop` was seen.
async fn exchange(stream: &mut TcpStream, sent: &str, stop: &str) -> String {
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    let read = async {
        while !String::from_utf8_lossy(&answer).contains(stop) {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(count) => answer.extend_from_slice(&buffer[..count]),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), read).await.expect("an answer or the end of the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

#[actix_web::test]
async fn a_panic_is_one_failed_request() {
    let address = serve();
    let mut stream = TcpStream::connect(address).await.unwrap();
    for _ in 0..3 {
        let answer = exchange(&mut stream, "POST /panic HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n", "]}").await;
        assert!(answer.starts_with("HTTP/1.1 500") && answer.contains("\"code\":\"INTERNAL\""), "{answer}");
        assert!(answer.contains("x-content-type-options: nosniff") && !answer.contains("secret"), "{answer}");
    }
    let answer = exchange(&mut stream, "GET /api/v1/page HTTP/1.1\r\nhost: a\r\n\r\n", "fine").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[actix_web::test]
async fn head_has_the_headers_and_no_body() {
    let address = serve();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let sent = "HEAD /nowhere HTTP/1.1\r\nhost: a\r\n\r\nGET /api/v1/page HTTP/1.1\r\nhost: a\r\n\r\n";
    let answers = exchange(&mut stream, sent, "fine").await;
    assert!(answers.starts_with("HTTP/1.1 404") && !answers.contains("NOT_FOUND"), "{answers}");
    assert_eq!(answers.matches("HTTP/1.1").count(), 2, "{answers}");
}

#[actix_web::test]
async fn h05_after_an_early_refusal_the_connection_is_not_confused() {
    let address = serve();
    let body = "GET /refused HTTP/1.1\r\nhost: a\r\n\r\n";
    for head in [
        format!(
            "DELETE /api/v1/page HTTP/1.1\r\nhost: a\r\ncontent-type: text/plain\r\ncontent-length: {}",
            body.len()
        ),
        format!("POST /nowhere HTTP/1.1\r\nhost: a\r\ncontent-length: {}", body.len()),
        "DELETE /api/v1/page HTTP/1.1\r\nhost: a\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked".to_owned(),
    ] {
        let chunked = head.contains("chunked");
        let framed = if chunked { format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()) } else { body.to_owned() };
        let sent = format!("{head}\r\n\r\n{framed}GET /api/v1/page HTTP/1.1\r\nhost: a\r\n\r\n");
        let mut stream = TcpStream::connect(address).await.unwrap();
        let answers = exchange(&mut stream, &sent, "fine").await;
        // Either the next request was answered or the connection was closed; the body was never taken for a request.
        assert!(answers.starts_with("HTTP/1.1 4"), "{answers}");
        assert!(!answers.contains("HTTP/1.1 500"), "{head}: {answers}");
    }
}

#[actix_web::test]
async fn h08_malformed_heads_never_split_an_answer() {
    let address = serve();
    let long = "a".repeat(64 * 1024);
    let post = "POST /api/v1/page HTTP/1.1\r\nhost: a\r\n";
    let many = "x: 1\r\n".repeat(1000);
    for (sent, statuses) in [
        ("GET /a\rb HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), [400, 400]),
        ("GET /a\0b HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), [400, 400]),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n".to_owned(), [400, 400]),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: a\r\n folded\r\n\r\n".to_owned(), [400, 400]),
        (format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n"), [400, 431]),
        (format!("GET / HTTP/1.1\r\nhost: a\r\ncookie: {long}\r\n\r\n"), [431, 431]),
        (format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(16 * 1024)), [414, 414]),
        (format!("GET /api/v1/page?{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(16 * 1024)), [414, 414]),
        (format!("{post}content-length: 5\r\ncontent-length: 6\r\n\r\nhello"), [400, 400]),
        (format!("{post}content-length: +5\r\n\r\nhello"), [400, 400]),
        (format!("{post}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"), [400, 400]),
        (format!("{post}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n"), [400, 400]),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let shown: String = sent.chars().take(80).collect();
        let answer = exchange(&mut stream, &sent, "\r\n\r\n").await;
        let status = answer.get(9..12).and_then(|text| text.parse::<u16>().ok()).unwrap_or_default();
        assert!(statuses.contains(&status), "{shown:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{shown:?}: {answer}");
    }
}

#[actix_web::test]
async fn h06_a_chunked_body_nobody_reads_does_not_hold_the_connection() {
    let address = serve();
    for path in ["/nowhere", "/a//b"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let sent = format!("POST {path} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n64\r\n{{");
        // Nothing stops this but the end of the connection.
        let answer = exchange(&mut stream, &sent, "never said").await;
        assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("connection: close"), "{answer}");
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    let sent = "POST /nowhere HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n\r\n\
                GET /api/v1/page HTTP/1.1\r\nhost: a\r\n\r\n";
    let answers = exchange(&mut stream, sent, "fine").await;
    assert_eq!(answers.matches("HTTP/1.1").count(), 2, "{answers}");
}
