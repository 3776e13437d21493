//! R06: an answer that never arrived.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{Kind, Service, SignedIn, eventually};

/// A refresh as bytes, to one replica.
async fn sent(ada: &SignedIn, address: &str) -> TcpStream {
    let (headers, body) = match ada.client.kind {
        Kind::Native => (
            format!(
                "Keystead-Client: native\r\nKeystead-Client-Id: {}\r\nContent-Type: application/json\r\n",
                ada.client_id
            ),
            json!({ "refreshToken": ada.refresh }).to_string(),
        ),
        Kind::Browser => (
            format!(
                "Origin: {}\r\nCookie: keystead-client={}; keystead-refresh={}\r\n",
                ada.client.api.base(),
                ada.client_id,
                ada.refresh
            ),
            String::new(),
        ),
    };
    let request = format!(
        "POST /api/v1/auth/refresh HTTP/1.1\r\nHost: {address}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn r06_an_answer_that_was_lost_is_given_again() {
    let service = Service::start().await;
    let address = service.replica(0).base().strip_prefix("http://").unwrap().to_owned();
    for kind in [Kind::Native, Kind::Browser] {
        let email = format!("{kind:?}@example.com").to_lowercase();
        let ada = service.registered_at(&service.client(kind), &email).await;
        let connection = sent(&ada, &address).await;
        // The line breaks once the exchange is done, before a byte of the answer was read.
        eventually("the rotation", async || (service.database().generation(ada.session_id()) == 2).then_some(())).await;
        drop(connection);
        service.advance(Duration::from_secs(20)).await;
        let again = ada.through(&service.replica(1)).refresh().await.expect("within the grace");
        let and_again = ada.through(&service.replica(0)).refresh().await.expect("and once more");
        assert_eq!(again.refresh, and_again.refresh, "the same successor");
        assert_eq!(service.database().generation(ada.session_id()), 2, "which is no second exchange");
        let next = again.through(service.api()).refresh().await.unwrap();
        next.verify().await.expect("the client goes on");
        assert_eq!(service.database().generation(ada.session_id()), 3);
        // It breaks while the exchange is under way: whether it happened or not, the client goes on.
        let mut next = next;
        for _ in 0..10 {
            drop(sent(&next, &address).await);
            next = next.refresh().await.expect("the client goes on");
        }
        next.verify().await.unwrap();
    }
    let mut database = service.database();
    assert_eq!((database.audited("authn_token_reuse"), database.audited("authn_fingerprint_mismatch")), (0, 0));
}
