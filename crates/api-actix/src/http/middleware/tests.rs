use actix_web::dev::ServiceResponse;
use actix_web::http::{Method, StatusCode};
use actix_web::test::{TestRequest, init_service, read_body, try_call_service};
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse};
use serde_json::Value;

use super::*;
use crate::http::origin::AllowedOrigins;
use crate::http::{ApiQuery, NoBody, Page, endpoint};

pub(super) struct CountingEntropy;

impl Entropy for CountingEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

pub(super) fn settings(secure: bool) -> HttpSettings {
    let origins = AllowedOrigins::try_new(["https://id.example.com", "https://app.example.com:8443"]).unwrap();
    HttpSettings { secure, origins, ..HttpSettings::default() }
}

async fn refused() -> Result<HttpResponse, ApiError> {
    Err(ApiError::internal("password=hunter2").detail("it failed"))
}

async fn panicking() -> HttpResponse {
    panic!("secret in a panic message")
}

async fn page(_: ApiQuery<Page>, _: NoBody) -> HttpResponse {
    HttpResponse::Ok().body("fine")
}

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(endpoint("/api/v1/page").get(page).delete(page))
        .service(endpoint("/refused").get(refused))
        .service(endpoint("/panic").post(panicking))
        .service(
            web::resource("/plain").route(web::get().to(|| async { HttpResponse::NotFound().body("library text") })),
        )
        .service(endpoint("/cached").get(|| async {
            HttpResponse::Ok()
                .insert_header((header::CACHE_CONTROL, "max-age=60"))
                .insert_header((header::SERVER, "x"))
                .finish()
        }))
        .service(endpoint("/health").get(|| async {
            HttpResponse::ServiceUnavailable().content_type("application/json").body("{\"store\":\"down\"}")
        }))
        .service(
            endpoint("/items/{id}").get(|id: web::Path<u32>| async move { HttpResponse::Ok().body(id.to_string()) }),
        );
}

/// Status, headers and body of one request; an answer to a panic comes out of the error, as the dispatcher does it.
async fn send(secure: bool, request: TestRequest) -> (StatusCode, header::HeaderMap, String) {
    send_to(settings(secure), request).await
}

async fn send_to(settings: HttpSettings, request: TestRequest) -> (StatusCode, header::HeaderMap, String) {
    let edge = Edge::new(Arc::new(settings.clone()), Arc::new(CountingEntropy));
    let app = init_service(App::new().wrap(edge).app_data(Data::new(settings)).configure(routes)).await;
    let answer = match try_call_service(&app, request.to_request()).await {
        Ok(answer) => answer.map_into_boxed_body(),
        Err(error) => ServiceResponse::new(TestRequest::default().to_http_request(), error.error_response()),
    };
    let (status, headers) = (answer.status(), answer.headers().clone());
    (status, headers, String::from_utf8(read_body(answer).await.to_vec()).unwrap())
}

fn to(method: &str, uri: &str) -> TestRequest {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    TestRequest::default().method(method).uri(uri).insert_header(("host", "id.example.com"))
}

fn code(body: &str) -> String {
    let document: Value = serde_json::from_str(body).unwrap_or_default();
    document["errors"][0]["code"].as_str().unwrap_or_default().to_owned()
}

#[actix_web::test]
async fn denied_networks_get_nothing_on_any_route() {
    let denying = HttpSettings { denied: vec!["203.0.113.0/24".parse().unwrap()], ..settings(true) };
    for (peer, status) in [("203.0.113.9:1", 403), ("203.0.114.9:1", 200), ("[::ffff:203.0.113.9]:1", 403)] {
        let request = to("GET", "/cached").peer_addr(peer.parse().unwrap());
        assert_eq!(send_to(denying.clone(), request).await.0, status, "{peer}");
    }
}

#[actix_web::test]
async fn d01_every_answer_has_the_security_headers() {
    for (request, status) in [
        (to("GET", "/api/v1/page"), 200),
        (to("GET", "/nowhere"), 404),
        (to("POST", "/api/v1/page"), 405),
        (to("GET", "/plain"), 404),
        (to("GET", "/refused"), 500),
        (to("POST", "/panic"), 500),
        (to("GET", "/health"), 503),
        (to("GET", "/items/x"), 404),
        (to("GET", "/a//b"), 404),
        (to("GET", "/api/v1/page?a=1&a=2"), 400),
        (to("GET", "/api/v1/page").insert_header(("accept", "text/html")), 406),
        (to("GET", "/api/v1/page").set_payload("x").insert_header(("content-length", 1)), 415),
        (TestRequest::with_uri("/api/v1/page"), 400),
    ] {
        let (found, headers, body) = send(true, request).await;
        assert_eq!(found, status, "{body}");
        for (name, value) in [
            ("strict-transport-security", "max-age=63072000; includeSubDomains"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("x-xss-protection", "0"),
            ("x-frame-options", "DENY"),
            ("cache-control", "no-store"),
            ("vary", "Origin"),
        ] {
            assert_eq!(headers.get(name).unwrap(), value, "{status} {name}");
        }
        let policy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
        assert_eq!(headers.get("content-security-policy").unwrap(), policy, "{status}");
        assert!(headers.contains_key("permissions-policy") && headers.contains_key("x-request-id"));
        assert!(!headers.contains_key("server") && !headers.contains_key("x-powered-by"));
        if status >= 400 && status != 503 {
            let document: Value = serde_json::from_str(&body).unwrap();
            let error = &document["errors"][0];
            assert_eq!(error["status"], status.to_string(), "{body}");
            assert_eq!(error["id"], headers.get("x-request-id").unwrap().to_str().unwrap());
            assert_eq!(headers.get("content-type").unwrap(), "application/vnd.api+json");
        }
    }
}

#[actix_web::test]
async fn strict_transport_security_needs_tls() {
    let (_, headers, _) = send(false, to("GET", "/api/v1/page")).await;
    assert!(!headers.contains_key("strict-transport-security"));
}

#[actix_web::test]
async fn handlers_may_allow_caching_and_nothing_else() {
    let (_, headers, _) = send(true, to("GET", "/cached")).await;
    assert_eq!(headers.get_all("cache-control").collect::<Vec<_>>(), ["max-age=60"]);
    assert!(!headers.contains_key("server"));
}

#[actix_web::test]
async fn d06_no_cause_and_no_library_text_reaches_the_client() {
    for (request, expected) in [
        (to("GET", "/refused"), "INTERNAL"),
        (to("POST", "/panic"), "INTERNAL"),
        (to("GET", "/plain"), "NOT_FOUND"),
        (to("GET", "/items/x"), "NOT_FOUND"),
    ] {
        let (_, _, body) = send(true, request).await;
        assert_eq!(code(&body), expected);
        for secret in ["hunter2", "secret", "library", "parse", "u32"] {
            assert!(!body.contains(secret), "{body}");
        }
    }
    let (_, _, body) = send(true, to("GET", "/health")).await;
    assert_eq!(body, "{\"store\":\"down\"}", "a report in its own format stays");
}

#[actix_web::test]
async fn the_request_id_is_the_clients_when_it_is_usable() {
    let (_, headers, body) = send(true, to("GET", "/nowhere").insert_header(("x-request-id", "trace-1"))).await;
    assert_eq!(headers.get("x-request-id").unwrap(), "trace-1");
    assert!(body.contains("\"id\":\"trace-1\""));
    let (_, headers, _) = send(true, to("GET", "/nowhere").insert_header(("x-request-id", "a\"}"))).await;
    assert_eq!(headers.get("x-request-id").unwrap(), "0707070707070707-0");
}

#[actix_web::test]
async fn h07_wrong_methods_get_405_and_overrides_are_ignored() {
    for method in ["TRACE", "TRACK", "PROPFIND", "POST", "get", "OPTIONS"] {
        let (status, headers, body) = send(true, to(method, "/api/v1/page").insert_header(("x-echo", "x"))).await;
        assert_eq!((status.as_u16(), code(&body).as_str()), (405, "METHOD_NOT_ALLOWED"), "{method}");
        assert_eq!(headers.get("allow").unwrap(), "GET, HEAD, DELETE");
        assert!(!headers.contains_key("x-echo"));
    }
    for (name, value) in
        [("x-http-method-override", "DELETE"), ("x-original-url", "/refused"), ("x-rewrite-url", "/refused")]
    {
        let (status, ..) = send(true, to("POST", "/api/v1/page").insert_header((name, value))).await;
        assert_eq!(status, 405, "{name}");
    }
    let (status, ..) = send(true, to("HEAD", "/api/v1/page")).await;
    assert_eq!(status, 200);
    let (status, ..) = send(true, to("CONNECT", "/api/v1/page")).await;
    assert_eq!(status, 405);
}

#[actix_web::test]
async fn d05_odd_paths_are_not_found() {
    for path in [
        "/api/v1//page",
        "/api/v1/%70age",
        "/api/v1/page;.js",
        "/api/v1/page%0a.js",
        "/api/v1/./page",
        "/x/../api/v1/page",
        "/api%2fv1/page",
        "/api/v1/page/x.css",
        "/api/v1/page/",
    ] {
        let (status, _, body) = send(true, to("GET", path)).await;
        assert_eq!((status.as_u16(), code(&body).as_str()), (404, "NOT_FOUND"), "{path}");
    }
}

#[actix_web::test]
async fn a_host_is_needed_and_decisive_headers_come_once() {
    for host in ["", "a b", "a/b", "user@a", "a,b", &"a".repeat(300)] {
        let (status, _, body) = send(true, TestRequest::with_uri("/api/v1/page").insert_header(("host", host))).await;
        assert_eq!((status.as_u16(), code(&body).as_str()), (400, "BAD_HOST"), "{host}");
    }
    for host in ["id.example.com", "127.0.0.1:8787", "[::1]:8787"] {
        let (status, ..) = send(true, TestRequest::with_uri("/api/v1/page").insert_header(("host", host))).await;
        assert_eq!(status, 200, "{host}");
    }
    for name in ["host", "authorization", "cookie", "content-type", "origin", "idempotency-key", "keystead-client"] {
        let doubled = to("GET", "/api/v1/page").append_header((name, "a")).append_header((name, "a"));
        let (status, _, body) = send(true, doubled).await;
        assert_eq!((status.as_u16(), code(&body).as_str()), (400, "INVALID_HEADER"), "{name}");
    }
    let harmless =
        to("GET", "/api/v1/page").append_header(("x-forwarded-for", "a")).append_header(("x-forwarded-for", "b"));
    assert_eq!(send(true, harmless).await.0, 200);
}

#[actix_web::test]
async fn d03_only_listed_origins_may_read_answers() {
    for origin in ["https://id.example.com", "https://app.example.com:8443"] {
        let (_, headers, _) = send(true, to("GET", "/api/v1/page").insert_header(("origin", origin))).await;
        assert_eq!(headers.get("access-control-allow-origin").unwrap(), origin);
        assert_eq!(headers.get("access-control-allow-credentials").unwrap(), "true");
        assert_eq!(headers.get("vary").unwrap(), "Origin");
        for method in ["PUT", "PATCH", "DELETE"] {
            let preflight = to("OPTIONS", "/api/v1/page")
                .insert_header(("origin", origin))
                .insert_header(("access-control-request-method", method))
                .insert_header(("access-control-request-headers", "authorization, otp-authorization"));
            let (status, headers, _) = send(true, preflight).await;
            assert_eq!(status, 204);
            assert_eq!(headers.get("access-control-allow-origin").unwrap(), origin);
            assert!(headers.get("access-control-allow-methods").unwrap().to_str().unwrap().contains(method));
            assert!(
                headers.get("access-control-allow-headers").unwrap().to_str().unwrap().contains("OTP-Authorization")
            );
        }
    }
    for origin in [
        "https://evil.org",
        "null",
        "http://id.example.com",
        "https://id.example.com.evil.org",
        "https://xid.example.com",
        "https://app.example.com",
        "https://app.example.com:8444",
    ] {
        let asked = || to("OPTIONS", "/api/v1/page").insert_header(("access-control-request-method", "GET"));
        for request in [to("GET", "/api/v1/page"), to("GET", "/nowhere"), asked()] {
            let (status, headers, _) = send(true, request.insert_header(("origin", origin))).await;
            assert_ne!(status, 204);
            for name in
                ["access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-methods"]
            {
                assert!(!headers.contains_key(name), "{origin} {name}");
            }
        }
    }
}

#[actix_web::test]
async fn an_error_of_an_inner_middleware_keeps_its_code_and_headers() {
    let edge = Edge::new(Arc::new(settings(true)), Arc::new(CountingEntropy));
    let limiter = |_: ServiceRequest, _: &_| async {
        let error = ApiError::new(Code::RATE_LIMITED).retry_after(std::time::Duration::from_secs(9));
        Err::<ServiceResponse, Error>(error.into())
    };
    let app = init_service(App::new().wrap_fn(limiter).wrap(edge)).await;
    let request = to("GET", "/").insert_header(("origin", "https://id.example.com")).to_request();
    let answer = try_call_service(&app, request).await.map(|_| ()).unwrap_err().error_response();
    assert_eq!(answer.status(), 429);
    for (name, value) in [
        ("retry-after", "9"),
        ("x-request-id", "0707070707070707-0"),
        ("access-control-allow-origin", "https://id.example.com"),
        ("x-frame-options", "DENY"),
    ] {
        assert_eq!(answer.headers().get(name).unwrap(), value, "{name}");
    }
}

#[derive(Clone, Default)]
struct Captured(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[actix_web::test]
async fn l05_a_log_line_is_one_json_object_without_secrets() {
    // Whether a log line is wanted at all is remembered once for the whole process. Without a listener everywhere, a test
    // on another thread that meets the line first would have it remembered as unwanted.
    let everywhere = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(std::io::sink);
    let _ = tracing::subscriber::set_global_default(everywhere.finish());
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    for request in [
        to("GET", "/items/7"),
        to("GET", "/api/v1/page?page[after]=s3cret"),
        to("GET", "/nowhere/s3cret%0d%0a%1b[31m"),
        to("GET", "/refused").insert_header(("user-agent", "a\"}{")).insert_header(("x-request-id", "a\"}{")),
        to("GET", "/api/v1/page").insert_header(("authorization", "Bearer s3cret")),
    ] {
        send(true, request.peer_addr("203.0.113.9:1".parse().unwrap())).await;
    }
    let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    assert!(!text.contains("s3cret"), "{text}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let access = |line: &&Value| line["target"] == "keystead::access";
    let routes: Vec<&Value> = lines.iter().filter(access).map(|line| &line["fields"]["route"]).collect();
    assert_eq!(routes, ["/items/{id}", "/api/v1/page", "unmatched", "/refused", "/api/v1/page"]);
    let first = &lines.iter().find(access).unwrap()["fields"];
    assert_eq!(
        (&first["status"], &first["method"], &first["client"]),
        (&200.into(), &"GET".into(), &"203.0.113.9".into())
    );
    let failure = lines.iter().find(|line| line["level"] == "ERROR").unwrap();
    assert_eq!(failure["fields"]["cause"], "password=hunter2");
}
