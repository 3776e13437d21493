//! One address in front of replicas: each request goes to another one than the last. A browser would stay with the replica
//! its connection leads to.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use reqwest::Method;

use crate::support::client_builder;

/// Headers of one connection, not of a message (RFC 9110 section 7.6.1), and the length, which is counted anew.
const OF_A_CONNECTION: [&str; 4] = ["connection", "keep-alive", "transfer-encoding", "content-length"];

/// It stops when this is dropped.
pub(super) struct Front {
    handle: ServerHandle,
}

struct Replicas {
    http: reqwest::Client,
    urls: Vec<String>,
    turn: AtomicUsize,
}

impl Front {
    pub(super) fn start(listener: TcpListener, urls: Vec<String>) -> Self {
        let http = client_builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let replicas = Data::from(Arc::new(Replicas { http, urls, turn: AtomicUsize::new(0) }));
        let app = move || App::new().app_data(replicas.clone()).default_service(web::to(pass));
        let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { handle }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // The command is sent at once; the future only waits.
        drop(self.handle.stop(false));
    }
}

async fn pass(request: HttpRequest, body: Bytes, replicas: Data<Replicas>) -> HttpResponse {
    let Replicas { http, urls, turn } = &**replicas;
    let url = &urls[turn.fetch_add(1, Ordering::Relaxed) % urls.len()];
    let method = Method::from_bytes(request.method().as_str().as_bytes()).unwrap();
    let mut onward = http.request(method, format!("{url}{}", request.uri()));
    for (name, value) in request.headers() {
        if !OF_A_CONNECTION.contains(&name.as_str()) {
            onward = onward.header(name.as_str(), value.as_bytes());
        }
    }
    let Ok(answer) = onward.body(body).send().await else { return HttpResponse::BadGateway().finish() };
    let mut response = HttpResponse::build(StatusCode::from_u16(answer.status().as_u16()).unwrap());
    for (name, value) in answer.headers() {
        if !OF_A_CONNECTION.contains(&name.as_str()) {
            response.append_header((name.as_str(), value.as_bytes()));
        }
    }
    response.body(answer.bytes().await.unwrap_or_default())
}
