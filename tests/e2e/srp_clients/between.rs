//! Stands between clients and the service: an address that serves the client's files, passes everything else on to each
//! replica in turn, and keeps what clients sent.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use reqwest::Method;

use super::program::root;
use crate::support::client_builder;

/// Headers of one connection, not of a message (RFC 9110 section 7.6.1), and the length, which is counted anew.
const OF_A_CONNECTION: [&str; 4] = ["connection", "keep-alive", "transfer-encoding", "content-length"];

/// What pages may load, below the workspace, and a page to load it with.
const FOLDERS: [&str; 2] = ["/clients/javascript/", "/tests/e2e/srp_clients/"];
const PAGE: &str = "/page";

/// It stops when this is dropped.
pub(super) struct Between {
    handle: ServerHandle,
    port: u16,
    captured: Captured,
}

/// Every byte of every request that was passed on: its line, its headers, its body.
type Captured = Arc<Mutex<Vec<u8>>>;

struct Service {
    http: reqwest::Client,
    urls: Vec<String>,
    turn: AtomicUsize,
    captured: Captured,
}

impl Between {
    pub(super) fn start(urls: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let http = client_builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let captured = Captured::default();
        let service = Service { http, urls, turn: AtomicUsize::new(0), captured: Arc::clone(&captured) };
        let service = Data::from(Arc::new(service));
        let app = move || App::new().app_data(service.clone()).default_service(web::to(answer));
        let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { handle, port, captured }
    }

    /// The origin by which pages know it: secure to a browser, and the same machine (RFC 6761 section 6.3).
    pub(super) fn origin(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// An empty page of it.
    pub(super) fn page(&self) -> String {
        format!("{}{PAGE}", self.origin())
    }

    /// What was sent so far.
    pub(super) fn captured(&self) -> Vec<u8> {
        self.captured.lock().unwrap().clone()
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        // The command is sent at once; the future only waits.
        drop(self.handle.stop(false));
    }
}

async fn answer(request: HttpRequest, body: Bytes, service: Data<Service>) -> HttpResponse {
    let path = request.path();
    if path == PAGE {
        return HttpResponse::Ok().content_type("text/html; charset=utf-8").body("<!doctype html><title>SRP</title>");
    }
    if FOLDERS.iter().any(|folder| path.starts_with(folder)) {
        return file(path);
    }
    pass(&request, body, &service).await
}

/// A file of the workspace. Paths come from tests; browsers resolve `..` before they send one.
fn file(path: &str) -> HttpResponse {
    match std::fs::read(root().join(path.trim_start_matches('/'))) {
        Ok(text) => HttpResponse::Ok().content_type("text/javascript").body(text),
        Err(_) => HttpResponse::NotFound().finish(),
    }
}

async fn pass(request: &HttpRequest, body: Bytes, service: &Service) -> HttpResponse {
    let Service { http, urls, turn, captured } = service;
    let url = &urls[turn.fetch_add(1, Ordering::Relaxed) % urls.len()];
    let method = Method::from_bytes(request.method().as_str().as_bytes()).unwrap();
    let mut onward = http.request(method, format!("{url}{}", request.uri()));
    {
        let mut captured = captured.lock().unwrap();
        captured.extend(format!("{} {}\n", request.method(), request.uri()).bytes());
        for (name, value) in request.headers() {
            captured.extend(format!("{name}: ").bytes());
            captured.extend(value.as_bytes());
            captured.push(b'\n');
            if !OF_A_CONNECTION.contains(&name.as_str()) {
                onward = onward.header(name.as_str(), value.as_bytes());
            }
        }
        captured.extend(&body);
        captured.push(b'\n');
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
