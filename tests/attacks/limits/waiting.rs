//! Answers that are slowed down hold a place while they wait, and no longer.

use keystead_domain::limits::{SLOW_DOWN_CAP, SLOW_DOWN_STEP};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::process::api::{Api, PATIENCE, admin_of, eventually};
use crate::process::configured::Configured;

/// Connections that wait as long as any does.
const WAITING: usize = 40;

/// How many answers a service slows down at this moment.
async fn slowed_down(admin: &Api) -> usize {
    let page = admin.get("/metrics").await.expect(200).body;
    let gauge = page.lines().find_map(|line| line.strip_prefix("keystead_slowed_down "));
    gauge.map_or(0, |number| number.parse().unwrap())
}

#[tokio::test]
async fn l04_who_hangs_up_while_an_answer_is_slowed_down_leaves_the_place_to_others() {
    let configured = Configured::new(&["--smtp", "smtp://mail.example.com"]);
    let service = configured.serve(&["http.admin_listen=127.0.0.1:0", "limits.slow-down=1/1h"]);
    let admin = admin_of(&service).await;
    // Those that wait less than the longest.
    let steps = usize::try_from(SLOW_DOWN_CAP.as_millis() / SLOW_DOWN_STEP.as_millis()).unwrap();
    let mut connections = Vec::new();
    for _ in 0..=steps + WAITING {
        let mut connection = TcpStream::connect(service.address()).await.unwrap();
        let request = "GET /api/v1/auth/status HTTP/1.1\r\nHost: id.example.com\r\n\r\n";
        connection.write_all(request.as_bytes()).await.unwrap();
        connections.push(connection);
    }
    let sent = Instant::now();
    let all = async || (slowed_down(&admin).await >= WAITING).then_some(());
    eventually(PATIENCE, "answers that wait", all).await;
    drop(connections);
    eventually(PATIENCE, "places that are free again", async || (slowed_down(&admin).await == 0).then_some(())).await;
    assert!(sent.elapsed() < SLOW_DOWN_CAP, "they waited to the end: {:?}", sent.elapsed());
}
