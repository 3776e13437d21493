//! `deploy/nginx/protected-app.conf`: an application that only people who are signed in reach.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::client::client;
use super::front::{Behind, Front, Kind, NAME};
use super::replicas::Replicas;
use crate::process::api::{Answer, Api, PASSWORD, PATIENCE, Person, eventually};

/// An application that answers everything with 200, and remembers what it was asked.
struct Application {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    listening: JoinHandle<()>,
}

impl Application {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, requests) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let seen = Arc::clone(&requests);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let request = answer(stream).await;
                seen.lock().unwrap().push(request);
            }
        });
        Self { address, requests, listening }
    }

    /// What it was asked since the last call, in lower case.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Reads a request to the end of its body, answers it, closes. nginx sends `Connection: close` to it.
async fn answer(mut stream: TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.unwrap();
        request.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if read == 0 || body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nreport")
                    .await
                    .unwrap();
                return text;
            }
        }
        assert_ne!(read, 0, "{text}");
    }
}

async fn asks(api: &Api, headers: &[(&str, &str)]) -> Answer {
    api.send("GET", "/reports/today?detail=1", headers, None).await
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// The headers a native client adds.
fn native<'h>(authorization: &'h str, client_id: &'h str) -> [(&'static str, &'h str); 4] {
    let accept = ("accept", "text/html");
    [("keystead-client", "native"), ("keystead-client-id", client_id), ("authorization", authorization), accept]
}

#[tokio::test]
async fn an_application_behind_auth_request_is_for_the_signed_in_alone() {
    let application = Application::start().await;
    let mut replicas = Replicas::start(&["limits.mode=off", "unsafe_allow=limits-off"]).await;
    let behind = Behind { application: application.address, ..replicas.behind() };
    let front = Front::start(Kind::Machine, &behind).await;
    let api = client(&front, [127, 0, 0, 2]).await;
    let ada = replicas.sign_up(&api, "ada@example.com").await;
    let token = bearer(&ada.access);

    refuses_who_proves_nothing(&api, &ada).await;
    assert_eq!(application.asked(), Vec::<String>::new());

    // A native client gets in, with what it sends; its client id stays outside.
    assert_eq!(asks(&api, &native(&token, &ada.client_id)).await.expect(200).body, "report");
    let asked = application.asked().remove(0);
    assert!(asked.starts_with("get /reports/today?detail=1 "), "{asked}");
    assert!(asked.contains(&token.to_ascii_lowercase()), "{asked}");
    assert!(!asked.contains(&ada.client_id.to_ascii_lowercase()), "{asked}");
    let body = serde_json::json!({"note": "kept"});
    let answer = api.send("POST", "/reports/notes", &native(&token, &ada.client_id), Some(&body)).await;
    answer.expect(200);
    assert!(application.asked().remove(0).ends_with("{\"note\":\"kept\"}"));

    // A page of this host gets in, by the cookie the browser adds.
    let (token, cookie) = browser(&api).await;
    asks(&api, &[("authorization", &token), ("cookie", &cookie)]).await.expect(200);
    assert!(!application.asked().remove(0).contains("cookie"));
    asks(&api, &[("authorization", &token)]).await.expect(401);

    // A sign-out counts within a second; a service that cannot be asked lets nobody in.
    api.send_as(&ada, "POST", "/api/v1/auth/logout", None).await.expect(204);
    let token = bearer(&ada.access);
    eventually(PATIENCE, "the end of the token", async || {
        (asks(&api, &native(&token, &ada.client_id)).await.status == 401).then_some(())
    })
    .await;
    application.asked();
    let grace = replicas.sign_up(&api, "grace@example.com").await;
    let token = bearer(&grace.access);
    replicas.kill(0);
    asks(&api, &native(&token, &grace.client_id)).await.expect(200);
    application.asked();
    replicas.kill(1);
    let answer = asks(&api, &native(&token, &grace.client_id)).await.expect(503);
    assert_eq!(answer.code(), "DEPENDENCY_UNAVAILABLE");
    assert_eq!(application.asked(), Vec::<String>::new());
}

/// No token, another's client id, a token of another kind, a broken one: 401, and the client is told what is wanted.
async fn refuses_who_proves_nothing(api: &Api, ada: &Person) {
    let refused = asks(api, &[]).await.expect(401);
    assert!(refused.header("www-authenticate").starts_with("Bearer"), "{refused:?}");
    let half_way = api.register("nobody@example.com").await.expect(201);
    let (pre_authorized, client_id) = (half_way.attribute("accessToken"), half_way.attribute("clientId"));
    for (token, client_id) in [
        (ada.access.as_str(), client_id.as_str()),
        (&pre_authorized, &client_id),
        (&format!("{}x", ada.access), &ada.client_id),
        (&ada.refresh, &ada.client_id),
    ] {
        asks(api, &native(&bearer(token), client_id)).await.expect(401);
    }
    // Nobody asks the question from outside.
    api.get("/_keystead_verify").await.expect(404);
}

/// Signs in as a page does. What it sends with its requests: the token, and the cookie of its client id.
async fn browser(api: &Api) -> (String, String) {
    let origin = format!("https://{NAME}");
    let body = serde_json::json!({"identity": "ada@example.com", "password": PASSWORD});
    let answer = api.send("POST", "/api/v1/auth/login", &[("origin", &origin)], Some(&body)).await.expect(200);
    let cookies = answer.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
    let client =
        cookies.filter_map(|cookie| cookie.split(';').next()).find(|pair| pair.starts_with("__Host-keystead-client="));
    (bearer(&answer.attribute("accessToken")), client.unwrap().to_owned())
}
