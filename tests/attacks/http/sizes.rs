//! H03: deep, long and wide bodies.

use std::time::{Duration, Instant};

use super::{JSON, LOGIN};
use crate::attacks::support::assert_refused;
use crate::process::site::Site;
use crate::support::{Reply, client_builder};

/// A refusal takes less than this.
const PROMPT: Duration = Duration::from_millis(50);

#[expect(clippy::disallowed_methods, reason = "it is measured")]
fn clock() -> Instant {
    Instant::now()
}

#[tokio::test]
async fn h03_large_and_deep_bodies_cost_nothing() {
    let site = Site::without_limits().await;
    let ada = site.api().sign_up("ada@example.com").await;
    let before = site.api().state_of(&ada).await;
    let nested = |depth: usize| format!("{{\"identity\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let open = |depth: usize| "[".repeat(depth);
    let text = |length: usize| format!("{{\"identity\":\"{}\"}}", "a".repeat(length));
    let elements = format!("{{\"identity\":[{}1]}}", "1,".repeat(20_000));
    let members: String = (0..5000).fold(String::new(), |all, n| all + &format!("\"m{n}\":1,"));
    let cases = [
        ("nested 33", nested(33), 400, "BAD_JSON"),
        ("nested 10 000", nested(10_000), 400, "BAD_JSON"),
        ("open 60 000", open(60_000), 400, "BAD_JSON"),
        ("nested 1 000 000", nested(1_000_000), 413, "PAYLOAD_TOO_LARGE"),
        ("a string of 60 KB", text(60_000), 400, "BAD_JSON"),
        ("20 000 elements", elements, 400, "BAD_JSON"),
        ("5000 members", format!("{{{members}\"x\":1}}"), 400, "BAD_JSON"),
        ("64 KiB and one", "a".repeat(65_537), 413, "PAYLOAD_TOO_LARGE"),
        ("10 MB", "a".repeat(10_000_000), 413, "PAYLOAD_TOO_LARGE"),
    ];
    let client = client_builder().build().unwrap();
    let login = async |body: String| {
        let call = client.post(format!("{}{LOGIN}", site.service().url())).header("content-type", JSON).body(body);
        let response = call.header("keystead-client", "native").send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Reply { status, headers, text: response.text().await.unwrap() }
    };
    // Twice to warm up: buffers and threads are kept.
    let (mut resident, mut fastest) = (0, [Duration::MAX; 9]);
    for round in 0..12 {
        if round == 2 {
            resident = site.service().resident_kib();
        }
        for ((attack, body, status, code), fastest) in cases.iter().zip(&mut fastest) {
            let body = body.clone();
            let began = clock();
            let reply = login(body).await;
            *fastest = began.elapsed().min(*fastest);
            assert_refused(attack, &reply, *status, code);
        }
    }
    let grown = site.service().resident_kib().saturating_sub(resident);
    assert!(grown < 5 * 1024, "it grew by {grown} KiB");
    for ((attack, ..), fastest) in cases.iter().zip(fastest) {
        assert!(fastest < PROMPT, "{attack}: {fastest:?} at best");
    }
    assert_eq!(site.api().state_of(&ada).await, before);
    site.api().refresh(&ada, &ada.refresh).await.expect(200);
}
