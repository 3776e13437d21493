//! H05: messages that two readers could cut differently.

use std::time::Duration;

use super::{Target, explained, refused, reply};

/// The header fields of an honest request with a JSON body.
pub(in crate::attacks) const POST: &str =
    "POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
/// What an attacker would like to be read as a second request.
const SECOND: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
const LIVE: &[u8] = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n";
const SOON: Duration = Duration::from_secs(5);
/// Within this time the request behind a refused one is answered, or the connection ends (actix-web issue 3715).
const PROMISED: Duration = Duration::from_secs(1);

#[tokio::test]
async fn h05_no_body_is_ever_read_as_another_request() {
    let target = Target::start().await;
    for (attack, rest) in [
        ("twice, the same", "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"),
        ("twice, different", "Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}"),
        ("a sign", "Content-Length: +2\r\n\r\n{}"),
        ("hexadecimal", "Content-Length: 0x2\r\n\r\n{}"),
        ("a list", "Content-Length: 2, 2\r\n\r\n{}"),
        ("negative", "Content-Length: -2\r\n\r\n{}"),
        ("empty", "Content-Length: \r\n\r\n{}"),
        ("beyond 64 bits", "Content-Length: 18446744073709551618\r\n\r\n{}"),
        ("CL.TE", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("TE.CL", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"),
        ("identity", "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}"),
        ("chunked, identity", "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        ("identity, chunked", "Transfer-Encoding: identity, chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"),
        ("unknown", "Transfer-Encoding: xchunked\r\nContent-Length: 2\r\n\r\n{}"),
        ("TE twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
        ("chunk too large", "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
        ("negative chunk", "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n"),
        ("chunk without its end", "Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n"),
        ("chunk of no number", "Transfer-Encoding: chunked\r\n\r\nx\r\n{}\r\n0\r\n\r\n"),
        ("hexadecimal chunk", "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n"),
        ("space before a chunk", "Transfer-Encoding: chunked\r\n\r\n 2\r\n{}\r\n0\r\n\r\n"),
        ("more than a chunk", "Transfer-Encoding: chunked\r\n\r\n2\r\n{}XX\r\n0\r\n\r\n"),
        ("bare line end in a chunk", "Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n"),
        ("bare line end in an extension", "Transfer-Encoding: chunked\r\n\r\n2;a\nb\r\n{}\r\n0\r\n\r\n"),
        ("bare return in an extension", "Transfer-Encoding: chunked\r\n\r\n2;a\rb\r\n{}\r\n0\r\n\r\n"),
        ("NUL in an extension", "Transfer-Encoding: chunked\r\n\r\n2;\0\r\n{}\r\n0\r\n\r\n"),
        ("folded", "X: a\r\n Content-Length: 2\r\n\r\n"),
        ("space before colon", "Content-Length : 2\r\n\r\n{}"),
        ("bare line end in a head", "Content-Length: 2\nTransfer-Encoding: chunked\r\n\r\n{}"),
        ("bare line end at the end of a head", "Content-Length: 2\r\n\n{}"),
        ("a head of bare line ends", "\n"),
        ("HTTP/1.0 in chunks", ""),
    ] {
        let request = match rest {
            "\n" => format!("{POST}Content-Length: 2\r\n\r\n{{}}").replace("\r\n", "\n"),
            "" => format!("{}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", POST.replace("1.1", "1.0")),
            rest => format!("{POST}{rest}"),
        };
        let mut wire = target.wire().await;
        wire.send(format!("{request}{SECOND}").as_bytes()).await;
        let answer = reply(wire.answer().await);
        assert_eq!(answer.status, 400, "{attack}: {}", answer.text);
        assert!(wire.ends(SOON).await, "{attack}: the connection goes on");
    }
    // Of a length that is too short the rest is what it looks like: no request.
    let mut wire = target.wire().await;
    wire.send(format!("{POST}Content-Length: 1\r\n\r\n{{}}{SECOND}").as_bytes()).await;
    for answer in [wire.answer().await, wire.answer().await] {
        assert_eq!(reply(answer).status, 400, "too short");
    }
    assert!(wire.ends(SOON).await, "too short: the connection goes on");
    target.unharmed().await;
}

#[tokio::test]
async fn h05_after_an_early_refusal_the_next_request_is_answered_or_the_connection_ends() {
    let target = Target::start().await;
    let text = POST.replace("application/json", "text/plain");
    let large = "a".repeat(100_000);
    for (attack, request, status) in [
        ("415", format!("{text}Content-Length: 2\r\n\r\n{{}}"), 415),
        ("compressed", format!("{POST}Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{{}}"), 415),
        ("413", format!("{POST}Content-Length: 100000\r\n\r\n{large}"), 413),
        ("413 in chunks", format!("{POST}Transfer-Encoding: chunked\r\n\r\n186a0\r\n{large}\r\n0\r\n\r\n"), 413),
        ("404", format!("POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 37\r\n\r\n{SECOND}"), 404),
        ("422", format!("{POST}Content-Length: 2\r\n\r\n{{}}"), 422),
    ] {
        let mut wire = target.wire().await;
        wire.send(request.as_bytes()).await;
        let first = reply(wire.answer().await);
        assert_eq!(first.status, status, "{attack}: {}", first.text);
        explained(attack, &first);
        wire.send(LIVE).await;
        let next = tokio::time::timeout(PROMISED, wire.answer()).await;
        match next.unwrap_or_else(|_| panic!("{attack}: neither an answer nor the end within {PROMISED:?}")) {
            Some(second) => assert_eq!(second.status, 200, "{attack}: {}", second.body),
            None => assert!(wire.ends(PROMISED).await, "{attack}"),
        }
    }
    // Not even sent: refused by its announced length.
    let announced = target.exchange(format!("{POST}Content-Length: 100000000\r\n\r\n")).await;
    refused("announced", &announced, 413, "PAYLOAD_TOO_LARGE");
    target.unharmed().await;
}

/// What begins like a file of gzip, whatever it would grow to: it is refused by its header.
#[tokio::test]
async fn h05_nothing_is_unpacked() {
    let target = Target::start().await;
    let bomb = [&b"\x1f\x8b\x08\0\0\0\0\0\0\x03"[..], &[0xed, 0xc1, 0x01, 0x0d], &[0; 1000]].concat();
    for coding in ["gzip", "deflate", "br", "zstd", "gzip, gzip", "x-gzip", "compress", "GZIP"] {
        let head = format!("{POST}Content-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n", bomb.len());
        let answer = target.exchange([head.as_bytes(), &bomb].concat()).await;
        refused(coding, &answer, 415, "UNSUPPORTED_MEDIA_TYPE");
    }
    target.unharmed().await;
}
