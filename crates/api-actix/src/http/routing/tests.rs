use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, HttpResponse};
use serde_json::Value;

use super::*;

async fn served() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

/// What a path registered so answers a method with, at the path's own scope: the status, and the code of an error.
async fn answer(scope: &str, endpoint: Endpoint, method: Method, uri: &str) -> (StatusCode, Option<String>) {
    let app = init_service(App::new().service(web::scope(scope).service(endpoint))).await;
    let response = call_service(&app, TestRequest::with_uri(uri).method(method).to_request()).await;
    let status = response.status();
    let document = serde_json::from_slice::<Value>(&read_body(response).await).ok();
    (status, document.and_then(|document| document["errors"][0]["code"].as_str().map(str::to_owned)))
}

fn refused() -> (StatusCode, Option<String>) {
    (StatusCode::FORBIDDEN, Some("FORBIDDEN".to_owned()))
}

#[actix_web::test]
async fn g12_a_route_nobody_declared_is_refused_to_everybody() {
    let serves_all = |endpoint: Endpoint| endpoint.get(served).post(served).put(served).patch(served).delete(served);
    for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let endpoint = serves_all(declared("/api/v1", "/admin/nowhere"));
        let (status, code) = answer("/api/v1", endpoint, method.clone(), "/api/v1/admin/nowhere").await;
        // HEAD says as much, and without a body.
        assert_eq!(status, StatusCode::FORBIDDEN, "{method}");
        assert!(method == Method::HEAD || code.as_deref() == Some("FORBIDDEN"), "{method}: {code:?}");
    }
}

#[actix_web::test]
async fn g12_a_method_nobody_declared_is_refused_to_everybody() {
    let endpoint = || declared("", "/health/live").get(served).put(served);
    let put = answer("", endpoint(), Method::PUT, "/health/live").await;
    assert_eq!(put, refused());
    for method in [Method::GET, Method::HEAD] {
        assert_eq!(answer("", endpoint(), method, "/health/live").await, (StatusCode::NO_CONTENT, None));
    }
    let (status, _) = answer("", endpoint(), Method::POST, "/health/live").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "not even registered");
}

#[actix_web::test]
async fn g12_a_rule_is_of_the_whole_path() {
    let get = |endpoint: Endpoint| endpoint.get(served);
    let elsewhere = answer("/other", get(declared("/other", "/health/live")), Method::GET, "/other/health/live").await;
    assert_eq!(elsewhere, refused(), "the same name below another scope");
    let spelled = answer("", get(declared("", "/health/live/")), Method::GET, "/health/live/").await;
    assert_eq!(spelled, refused(), "a name that is spelled otherwise");
    let renamed = get(declared("/api/v1", "/sessions/{session}"));
    assert_eq!(answer("/api/v1", renamed, Method::GET, "/api/v1/sessions/1").await, refused(), "another parameter");
}

#[actix_web::test]
async fn tools_of_the_development_server_are_declared_nowhere() {
    let tool = endpoint("/dev/tool").get(served);
    assert_eq!(answer("", tool, Method::GET, "/dev/tool").await, (StatusCode::NO_CONTENT, None));
}

#[actix_web::test]
async fn who_changes_something_sends_no_parameters_unless_the_route_reads_them() {
    let changing = || endpoint("/tool").post(served).put(served).patch(served).delete(served);
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        for uri in ["/tool", "/tool?", "/tool?&"] {
            assert_eq!(
                answer("", changing(), method.clone(), uri).await,
                (StatusCode::NO_CONTENT, None),
                "{method} {uri}"
            );
        }
        let refused = (StatusCode::BAD_REQUEST, Some("UNKNOWN_PARAMETER".to_owned()));
        assert_eq!(answer("", changing(), method.clone(), "/tool?user=1").await, refused, "{method}");
    }
    let reads = endpoint("/tool").post_with_query(served);
    assert_eq!(answer("", reads, Method::POST, "/tool?all=true").await, (StatusCode::NO_CONTENT, None));
}
