//! H05 to H08 and P02: messages that two readers could cut or read differently, and messages that never end.

use std::time::Duration;

use super::Target;
use super::wire::{Wire, exchange};
use crate::process::api::{Answer, link_token_in};
use crate::process::configured::Configured;

/// The header fields of an honest request with a JSON body.
const POST: &str = "POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
/// What an attacker would like to be read as a second request.
const SECOND: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

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
        ("CL.TE", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("TE.CL", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"),
        ("identity", "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}"),
        ("chunked, identity", "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        ("unknown", "Transfer-Encoding: xchunked\r\nContent-Length: 2\r\n\r\n{}"),
        ("TE twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
        ("chunk too large", "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
        ("negative chunk", "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n"),
        ("folded", "X: a\r\n Content-Length: 2\r\n\r\n"),
        ("space before colon", "Content-Length : 2\r\n\r\n{}"),
    ] {
        let mut wire = Wire::to(target.service().address()).await;
        wire.send(format!("{POST}{rest}{SECOND}").as_bytes()).await;
        let answer = wire.answer().await.unwrap_or_else(|| panic!("{attack}: no answer"));
        assert_eq!(answer.status, 400, "{attack}: {}", answer.body);
        assert!(wire.ends(Duration::from_secs(5)).await, "{attack}: the connection goes on");
    }
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
        let mut wire = Wire::to(target.service().address()).await;
        wire.send(request.as_bytes()).await;
        let first = wire.answer().await.unwrap();
        assert_eq!(first.status, status, "{attack}: {}", first.body);
        target.explained(attack, &first);
        wire.send(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n").await;
        if let Some(second) = wire.answer().await {
            assert_eq!(second.status, 200, "{attack}: {}", second.body);
        }
    }
    // Not even sent: refused by its announced length.
    let refused =
        exchange(target.service().address(), format!("{POST}Content-Length: 100000000\r\n\r\n").as_bytes()).await;
    target.refused("announced", &refused.unwrap(), 413, "PAYLOAD_TOO_LARGE");
    target.unharmed().await;
}

fn chunked(path: &str, media: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {media}\r\nTransfer-Encoding: chunked\r\n")
}

#[tokio::test]
async fn h06_slow_clients_are_not_waited_for() {
    let configured = Configured::new(&[]);
    let service = configured.serve(&["http.header_timeout=1s", "http.body_timeout=1s"]);
    let cases = [
        ("nothing", String::new()),
        ("half a line", "GET /health/li".to_owned()),
        ("half a header", POST.to_owned()),
        ("half a body", format!("{POST}Content-Length: 100\r\n\r\n{{")),
        ("half a chunk", format!("{POST}Transfer-Encoding: chunked\r\n\r\n64\r\n{{")),
        // Answered at once, with the rest of the body still to come.
        ("chunks nobody wants", format!("{}\r\n64\r\n{{", chunked("/api/v1/auth/login", "text/plain"))),
        ("chunks to nowhere", format!("{}\r\n64\r\n{{", chunked("/nowhere", "application/json"))),
        ("chunks to no path", format!("{}\r\n64\r\n{{", chunked("/a//b", "application/json"))),
        ("chunks without end", format!("{}\r\n{}", chunked("/nowhere", "text/plain"), "5\r\nabcde\r\n".repeat(9))),
    ];
    let waiting = cases.map(|(attack, bytes)| {
        let address = service.address().to_owned();
        tokio::spawn(async move {
            let mut wire = Wire::to(&address).await;
            wire.send(bytes.as_bytes()).await;
            let answer = wire.answer().await;
            let refused = |answer: &Answer| matches!(answer.status, 404 | 408 | 415);
            assert!(answer.as_ref().is_none_or(refused), "{attack}: {answer:?}");
            assert!(wire.ends(Duration::from_secs(5)).await, "{attack}: the connection goes on");
            answer
        })
    });
    let mut answers = Vec::new();
    for one in waiting {
        answers.push(one.await.unwrap());
    }
    let bodies: Vec<String> = answers.iter().flatten().map(Answer::code).collect();
    assert_eq!(bodies.iter().filter(|code| *code == "REQUEST_TIMEOUT").count(), 2, "{bodies:?}");
}

#[tokio::test]
async fn h07_methods_and_their_overrides() {
    let target = Target::start().await;
    let address = target.service().address();
    for method in ["TRACE", "TRACK", "PROPFIND", "get", "FOO", "PUT", "POST"] {
        let request =
            format!("{method} /api/v1/users/me HTTP/1.1\r\nHost: a\r\nX-Echo: marker\r\nContent-Length: 0\r\n\r\n");
        let answer = exchange(address, request.as_bytes()).await.unwrap();
        target.refused(method, &answer, 405, "METHOD_NOT_ALLOWED");
        assert_eq!(answer.header("allow"), "GET, HEAD, PATCH, DELETE", "{method}");
        assert!(!answer.body.contains("marker"), "{method}");
    }
    let answer = exchange(address, b"CONNECT evil.example:443 HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    target.refused("CONNECT", &answer, 405, "METHOD_NOT_ALLOWED");

    let bearer = format!("Bearer {}", target.ada.access);
    let native = [("keystead-client", "native"), ("keystead-client-id", &target.ada.client_id)];
    for (name, value) in [
        ("x-http-method-override", "DELETE"),
        ("x-http-method", "DELETE"),
        ("x-method-override", "DELETE"),
        ("x-original-url", "/api/v1/sessions"),
        ("x-rewrite-url", "/api/v1/sessions"),
    ] {
        let headers = [&native[..], &[("authorization", bearer.as_str()), (name, value)]].concat();
        let answer = target.api.send("GET", "/api/v1/users/me", &headers, None).await.expect(200);
        assert_eq!(answer.json()["data"]["type"], "users", "{name}");
    }
    let answer = target.api.send_as(&target.ada, "GET", "/api/v1/sessions?_method=DELETE", None).await;
    target.refused("_method", &answer, 400, "UNKNOWN_PARAMETER");
    target.unharmed().await;
}

#[tokio::test]
async fn h08_control_characters_and_sizes() {
    let target = Target::start().await;
    let address = target.service().address();
    let live = |extra: &str| format!("GET /health/live HTTP/1.1\r\nHost: a\r\n{extra}\r\n").into_bytes();
    let many: String = (0..1000).fold(String::new(), |all, n| all + &format!("X{n}: a\r\n"));
    let target_of = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
    for (attack, bytes, statuses) in [
        ("NUL in the path", target_of("/api/v1/\0"), [400, 400]),
        ("CR in a header", live("X: a\rb\r\n"), [400, 400]),
        ("NUL in a header", live("X: a\0b\r\n"), [400, 400]),
        ("NUL in a cookie", live("Cookie: keystead-client=\0\r\n"), [400, 400]),
        ("no colon", live("nonsense\r\n"), [400, 400]),
        ("20 KB of header", live(&format!("X: {}\r\n", "a".repeat(20_000))), [431, 431]),
        ("64 KB of header", live(&format!("X: {}\r\n", "a".repeat(65_536))), [431, 431]),
        ("300 KB of header", live(&format!("X: {}\r\n", "a".repeat(300_000))), [431, 400]),
        ("1000 headers", live(&many), [431, 400]),
        ("16 KB of path", target_of(&format!("/{}", "a".repeat(16_384))), [414, 414]),
        ("16 KB of query", target_of(&format!("/health/live?{}", "a".repeat(16_384))), [414, 414]),
        ("100 KB of path", target_of(&format!("/{}", "a".repeat(100_000))), [414, 400]),
        ("encoded slash", target_of("/api/v1%2fusers/me"), [404, 404]),
        ("dot segments", target_of("/api/v1/auth/../users/me"), [404, 404]),
        ("no host", b"GET /health/live HTTP/1.1\r\n\r\n".to_vec(), [400, 400]),
        ("another protocol", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n".to_vec(), [400, 400]),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), [400, 400]),
    ] {
        let answer = exchange(address, &bytes).await.unwrap_or_else(|| panic!("{attack}: no answer"));
        assert!(statuses.contains(&answer.status), "{attack}: {} {}", answer.status, answer.body);
        if answer.headers.contains_key("x-request-id") {
            target.explained(attack, &answer);
        }
    }
    target.unharmed().await;
}

#[tokio::test]
async fn p02_links_come_from_the_configuration_and_never_from_a_header() {
    let target = Target::dev().await;
    let (address, url) = (target.service().address(), target.service().url());
    let body = "{\"identity\":\"ada@example.com\"}";
    let forgot = |first: &str, headers: &str| {
        format!(
            "POST {first} HTTP/1.1\r\n{headers}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let path = "/api/v1/auth/password/forgot";
    for host in ["a@evil.example", "evil.example/x", "evil.example#", "evil example", "", "evil.example\u{e9}"] {
        let answer = exchange(address, forgot(path, &format!("Host: {host}\r\n")).as_bytes()).await.unwrap();
        assert_eq!(answer.status, 400, "{host}: {}", answer.body);
    }
    let twice = forgot(path, "Host: 127.0.0.1\r\nHost: evil.example\r\n");
    assert_eq!(exchange(address, twice.as_bytes()).await.unwrap().status, 400);
    assert!(target.api.mails_to("ada@example.com").await.iter().all(|mail| !mail.contains("#token=")));

    let spoofed = "Host: evil.example\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: ftp\r\n\
        X-Host: evil.example\r\nX-Forwarded-Server: evil.example\r\nForwarded: host=evil.example;proto=ftp\r\n\
        Referer: http://evil.example/\r\n";
    for first in [path.to_owned(), format!("http://evil.example{path}")] {
        target.api.send("DELETE", "/dev/mail", &[], None).await.expect(204);
        let answer = exchange(address, forgot(&first, spoofed).as_bytes()).await.unwrap().expect(202);
        assert!(!answer.body.contains("evil.example"));
        let mail = target.api.mail_to("ada@example.com").await;
        assert!(mail.contains(&format!("{url}/")) && !mail.contains("evil.example"), "{mail}");
        link_token_in(&mail);
    }
    let answer =
        exchange(address, format!("GET /.well-known/change-password HTTP/1.1\r\n{spoofed}\r\n").as_bytes()).await;
    assert_eq!(answer.unwrap().header("location"), format!("{url}/account/password"));
}
