//! H08: line ends and NUL in every field; long and many headers, long addresses.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{Target, explained};

/// Less than what a head is waited for: what is too long is refused, not waited out (actix-web issue 1885).
const PROMPT: Duration = Duration::from_secs(4);

/// What is no request is answered by the parser of HTTP: a status, no header and no word. Everything else has them all.
const BARE: [&str; 22] = [
    "NUL in the path",
    "CR in the path",
    "LF in the path",
    "CR in a header",
    "NUL in a header",
    "an escape in a header",
    "NUL in a cookie",
    "CR in a cookie",
    "CR in a host",
    "no colon",
    "a name of no token",
    "no name",
    "64 KB of header",
    "64 KB of cookie",
    "64 KB of name",
    "100 KB of name",
    "300 KB of header",
    "1000 headers",
    "100 KB of path",
    "no host",
    "another protocol",
    "HTTP/2",
];

#[expect(clippy::disallowed_methods, reason = "it is measured")]
fn clock() -> Instant {
    Instant::now()
}

#[tokio::test]
async fn h08_control_characters_and_sizes() {
    let target = Target::start().await;
    let live = |extra: &str| format!("GET /health/live HTTP/1.1\r\nHost: a\r\n{extra}\r\n").into_bytes();
    let many: String = (0..1000).fold(String::new(), |all, n| all + &format!("X{n}: a\r\n"));
    let mut bare = BTreeSet::new();
    let target_of = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
    for (attack, bytes, statuses) in [
        ("NUL in the path", target_of("/api/v1/\0"), [400, 400]),
        ("CR in the path", target_of("/api/v1/\ra"), [400, 400]),
        ("LF in the path", target_of("/api/v1/\na"), [400, 400]),
        ("encoded line end in the path", target_of("/api/v1/%0d%0aSet-Cookie:%20a=b"), [404, 404]),
        ("encoded NUL in the path", target_of("/api/v1/users/me%00"), [404, 404]),
        ("CR in a header", live("X: a\rb\r\n"), [400, 400]),
        ("NUL in a header", live("X: a\0b\r\n"), [400, 400]),
        ("an escape in a header", live("X: a\x1b[31m\r\n"), [400, 400]),
        ("NUL in a cookie", live("Cookie: keystead-client=\0\r\n"), [400, 400]),
        ("CR in a cookie", live("Cookie: keystead-client=a\rSet-Cookie: b\r\n"), [400, 400]),
        ("CR in a host", b"GET /health/live HTTP/1.1\r\nHost: a\rb\r\n\r\n".to_vec(), [400, 400]),
        ("no colon", live("nonsense\r\n"), [400, 400]),
        ("a name of no token", live("X Y: a\r\n"), [400, 400]),
        ("no name", live(": a\r\n"), [400, 400]),
        ("20 KB of header", live(&format!("X: {}\r\n", "a".repeat(20_000))), [431, 431]),
        ("64 KB of header", live(&format!("X: {}\r\n", "a".repeat(65_536))), [431, 431]),
        ("64 KB of cookie", live(&format!("Cookie: a={}\r\n", "a".repeat(65_536))), [431, 431]),
        ("20 KB of name", live(&format!("{}: a\r\n", "a".repeat(20_000))), [431, 431]),
        ("64 KB of name", live(&format!("{}: a\r\n", "a".repeat(65_536))), [400, 400]),
        ("100 KB of name", live(&format!("{}: a\r\n", "a".repeat(100_000))), [400, 400]),
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
        let began = clock();
        let mut wire = target.wire().await;
        wire.send(&bytes).await;
        let reply = super::reply(wire.answer().await);
        assert!(began.elapsed() < PROMPT, "{attack} is waited out");
        assert!(statuses.contains(&reply.status), "{attack}: {} {}", reply.status, reply.text);
        assert_eq!(reply.header("set-cookie"), None, "{attack}: the answer is split");
        if reply.headers.contains_key("x-request-id") {
            explained(attack, &reply);
        } else {
            assert_eq!(reply.text, "", "{attack}");
            bare.insert(attack);
        }
        // One answer, however much there was to answer.
        let more = tokio::time::timeout(Duration::from_millis(20), wire.answer()).await;
        assert!(more.is_err() || matches!(more, Ok(None)), "{attack}: {more:?}");
    }
    assert_eq!(bare, BARE.into());
    target.unharmed().await;
}

#[tokio::test]
async fn h08_no_answer_is_split_by_what_it_repeats() {
    const BREAK: &str = "%0d%0aSet-Cookie:%20a=b%0d%0a%0d%0a<p>";
    let target = Target::start().await;
    for path in [
        format!("/.well-known/change-password?{BREAK}"),
        format!("/.well-known/change-password?next={BREAK}"),
        format!("/api/v1/social/google/callback?code={BREAK}&state={BREAK}"),
        format!("/api/v1/social/{BREAK}/callback"),
        format!("/api/v1/sessions?page[after]={BREAK}"),
        format!("/api/v1/openapi.json?{BREAK}=1"),
    ] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nX-Request-Id: a%0d%0ab\r\nOrigin: http://a%0d%0aSet-Cookie:b\r\n\r\n"
        );
        let reply = target.exchange(request).await;
        assert_eq!(reply.header("set-cookie"), None, "{path}");
        for (name, value) in &reply.headers {
            let text = value.to_str().unwrap();
            assert!(!text.contains("Set-Cookie: a") && !text.contains(['\r', '\n']), "{path}: {name}: {text}");
        }
        assert!(!reply.text.contains("<p>"), "{path}: {}", reply.text);
    }
    target.unharmed().await;
}
