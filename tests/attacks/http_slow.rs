//! Clients that take their time, against the service as it runs.

use std::time::Duration;

use keystead_domain::limits::ANSWER_TIMEOUT;

use crate::attacks::http::framing::POST;
use crate::attacks::wire::Wire;
use crate::process::api::Answer;
use crate::process::configured::Configured;

/// What the service is told to wait for heads and bodies.
const HURRY: [&str; 4] =
    ["http.header_timeout=1s", "http.body_timeout=1s", "limits.mode=off", "unsafe_allow=limits-off"];
/// The time it promises, and what it takes to notice.
const PROMISED: Duration = Duration::from_secs(5);
/// How often a slow client asks for the OpenAPI document before it reads: more than any socket holds.
const QUESTIONS: usize = 20;
/// What a hundred answers of memory take at most, on a machine that runs other tests, one after the other.
const QUICK: Duration = Duration::from_secs(10);
const LIVE: &str = "GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n";

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
async fn h06_every_head_of_a_connection_has_its_time() {
    let configured = Configured::new(&[]);
    let service = configured.serve(&HURRY);
    let mut later = Wire::to(service.address()).await;
    for _ in 0..2 {
        later.send(LIVE.as_bytes()).await;
        assert_eq!(later.answer().await.unwrap().status, 200);
    }
    later.send(b"GET /health/li").await;
    assert!(later.ends(PROMISED).await, "a later head is waited for");

    let mut together = Wire::to(service.address()).await;
    together.send(format!("{LIVE}{LIVE}GET /").as_bytes()).await;
    assert_eq!(together.answer().await.unwrap().status, 200);
    assert_eq!(together.answer().await.unwrap().status, 200);
    together.send(b"health").await;
    assert!(together.ends(PROMISED).await, "a head begun with another request is waited for");
}

#[tokio::test]
async fn h06_hundreds_of_slow_clients_keep_nobody_waiting() {
    let configured = Configured::new(&[]);
    let service = configured.serve(&HURRY);
    let body =
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{";
    let unread = "GET /api/v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n".repeat(QUESTIONS);
    let mut slow = Vec::new();
    for number in 0..300 {
        let mut wire = Wire::to(service.address()).await;
        wire.send([LIVE.trim_end(), body, &unread][number % 3].as_bytes()).await;
        slow.push(wire);
    }
    let mut quick = Wire::to(service.address()).await;
    let all_answered = async {
        for _ in 0..100 {
            quick.send(LIVE.as_bytes()).await;
            assert_eq!(quick.answer().await.unwrap().status, 200);
        }
    };
    tokio::time::timeout(QUICK, all_answered).await.expect("a hundred answers are not waited for");
    // The slow ones are gone: those that say nothing are told so, or not even that.
    let (readers, others): (Vec<_>, Vec<_>) = slow.into_iter().enumerate().partition(|(number, _)| number % 3 == 2);
    for (number, mut wire) in others {
        assert!(wire.answer().await.is_none_or(|answer| answer.status == 408), "{number}");
        assert!(wire.ends(PROMISED).await, "{number}");
    }
    // Those that read nothing are cut off, all at the same time. Reading now, they find what the system held, and the end.
    let mut patience = ANSWER_TIMEOUT + PROMISED;
    for (number, mut wire) in readers {
        if !wire.is_cut(patience).await {
            patience = Duration::ZERO;
        }
        let rest = wire.rest(PROMISED).await.unwrap_or_else(|| panic!("{number}: the connection goes on"));
        let answers = String::from_utf8_lossy(&rest).matches("HTTP/1.1 200").count();
        assert!((1..QUESTIONS).contains(&answers), "{number}: {answers} answers to who reads none");
    }
}

#[tokio::test]
async fn h06_open_connections_do_not_hold_the_end_of_the_service() {
    let configured = Configured::new(&[]);
    let service = configured.serve(&[]);
    let mut idle = Wire::to(service.address()).await;
    idle.send(LIVE.as_bytes()).await;
    assert_eq!(idle.answer().await.unwrap().status, 200);
    service.ask_to_end();
    assert!(idle.ends(PROMISED).await, "an idle connection is kept");
    let (status, log) = service.wait();
    assert!(status.success(), "{log}");
}

#[tokio::test]
async fn h10_http_2_is_not_spoken() {
    let configured = Configured::new(&[]);
    let service = configured.serve(&[]);
    let mut wire = Wire::to(service.address()).await;
    wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    assert_eq!(wire.answer().await.unwrap().status, 400);
    assert!(wire.ends(PROMISED).await, "the connection goes on");
    let mut wire = Wire::to(service.address()).await;
    wire.send(b"GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n").await;
    let answer = wire.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("upgrade")), (200, ""));
}
