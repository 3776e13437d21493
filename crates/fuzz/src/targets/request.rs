//! Whole requests, from the gate in front of every route to a handler that takes a body or a query.

use std::sync::{Arc, LazyLock};

use actix_web::body::to_bytes;
use actix_web::dev::Service as _;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, Uri};
use actix_web::rt::Runtime;
use actix_web::test::TestRequest;
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, test};
use keystead_api_actix::http::{
    AllowedOrigins, ApiBody, ApiError, ApiQuery, Credentials, Edge, HttpSettings, NoBody, OptionalBody, Page, RawBody,
    TrustedProxies, json_api, require_same_origin,
};

use super::body::Probe;
use crate::check;
use crate::input::line;
use crate::world::Drawn;

/// The deployment every request comes to: behind proxies on private addresses, one network shut out.
pub(super) static SETTINGS: LazyLock<Data<HttpSettings>> = LazyLock::new(|| {
    let nets = |nets: &[&str]| nets.iter().filter_map(|net| net.parse().ok()).collect::<Vec<_>>();
    Data::new(HttpSettings {
        origins: AllowedOrigins::try_new(["https://id.example"]).unwrap_or_default(),
        proxies: TrustedProxies::new(nets(&["10.0.0.0/8", "fd00::/8", "127.0.0.0/8"])),
        denied: nets(&["203.0.113.0/24"]),
        ..HttpSettings::default()
    })
});

thread_local! {
    static RUNTIME: Runtime = Runtime::new().expect("a runtime");
}

/// Runs something that never really waits.
pub(super) fn wait<T>(work: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(work))
}

/// `http_request`: `METHOD target` on the first line, headers on the next ones, an empty line, the body.
pub(super) fn whole(bytes: &[u8]) {
    let Some((request, method)) = parsed(bytes) else { return };
    wait(async {
        let edge = Edge::new(Arc::clone(&SETTINGS), Arc::new(Drawn::default()));
        let app = App::new()
            .wrap(edge)
            .app_data(Data::clone(&SETTINGS))
            .route("/api/v1/body", web::post().to(async |_: ApiBody<Probe>| HttpResponse::NoContent()))
            .route("/api/v1/body/{id}", web::patch().to(async |_: ApiBody<Probe>| HttpResponse::NoContent()))
            .route("/api/v1/maybe", web::post().to(async |_: OptionalBody<Probe>| HttpResponse::NoContent()))
            .route("/api/v1/none", web::post().to(async |_: NoBody| HttpResponse::NoContent()))
            .route("/api/v1/raw", web::post().to(async |_: RawBody| HttpResponse::NoContent()))
            .route("/api/v1/page", web::get().to(async |_: ApiQuery<Page>| HttpResponse::NoContent()))
            .route("/api/v1/me", web::get().to(async |_: Credentials| HttpResponse::NoContent()))
            .route("/api/v1/cookie", web::post().to(same_origin));
        let app = test::init_service(app).await;
        let Ok(answer) = app.call(request.to_request()).await else { panic_free(&method) };
        let status = answer.status();
        assert!(!status.is_server_error(), "{status}");
        let headers = answer.headers().clone();
        let id = headers.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
        assert!((1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)));
        assert_eq!(headers.get("x-content-type-options"), Some(&HeaderValue::from_static("nosniff")));
        let body = to_bytes(answer.into_body()).await.unwrap_or_default();
        if status.is_client_error() {
            check::document(&body);
        }
    });
}

async fn same_origin(request: actix_web::HttpRequest) -> Result<HttpResponse, ApiError> {
    require_same_origin(&request)?;
    Ok(json_api(actix_web::http::StatusCode::OK, &"same"))
}

#[expect(clippy::panic, reason = "a finding is a panic")]
fn panic_free(method: &Method) -> ! {
    panic!("the application answered a {method} with an error instead of an answer")
}

/// A request the server's own parser could have read; `None` for what it refuses before Keystead sees it.
fn parsed(bytes: &[u8]) -> Option<(TestRequest, Method)> {
    let (first, mut rest) = line(bytes);
    let (method, target) = std::str::from_utf8(first).ok()?.split_once(' ')?;
    let (method, target) = (Method::from_bytes(method.as_bytes()).ok()?, Uri::try_from(target).ok()?);
    let peer = if rest.len() % 2 == 0 { "127.0.0.1:9" } else { "[2001:db8::7]:9" };
    let mut request = TestRequest::default().method(method.clone()).peer_addr(peer.parse().ok()?);
    request = request.uri(&target.to_string());
    loop {
        let (header, behind) = line(rest);
        rest = behind;
        if header.is_empty() {
            break;
        }
        let at = header.iter().position(|byte| *byte == b':')?;
        let (name, value) = header.split_at(at);
        let name = HeaderName::from_bytes(name).ok()?;
        let value = HeaderValue::from_bytes(value.get(1..)?.trim_ascii()).ok()?;
        request = request.append_header((name, value));
    }
    Some((request.set_payload(rest.to_vec()), method))
}
