//! Nobody fills the log with what is no request.

use crate::attacks::wire::Wire;
use crate::process::api::{PATIENCE, eventually};
use crate::process::configured::Configured;

/// What actix-http says of each, at its highest level.
const COMPLAINT: &str = "stream error";

/// The log after requests that are none and one that is.
async fn log_of(settings: &[&str]) -> String {
    let configured = Configured::new(&[]);
    let service = configured.serve(settings);
    for garbage in ["GET / HTTP/9.9\r\n\r\n", "\0\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n"] {
        let mut wire = Wire::to(service.address()).await;
        wire.send(garbage.as_bytes()).await;
        assert_eq!(wire.answer().await.unwrap().status, 400, "{garbage:?}");
    }
    let mut wire = Wire::to(service.address()).await;
    wire.send(b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(wire.answer().await.unwrap().status, 404);
    let logged = async || Some(service.log()).filter(|log| log.contains("\"route\":\"unmatched\""));
    eventually(PATIENCE, "the line of the last request", logged).await
}

#[tokio::test]
async fn what_is_no_http_is_not_logged_unless_somebody_wants_to_see_it() {
    let log = log_of(&[]).await;
    assert!(!log.contains(COMPLAINT) && !log.contains("actix_http"), "{log}");
    let log = log_of(&["log.level=info,actix_http=error"]).await;
    assert_eq!(log.matches(COMPLAINT).count(), 3, "{log}");
}
