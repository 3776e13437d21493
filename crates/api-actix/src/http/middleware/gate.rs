//! What is refused before any route sees it.

use actix_http::ConnectionType;
use actix_web::HttpResponse;
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};
use ipnet::IpNet;

use super::request_id::RequestId;
use crate::config::contains;
use crate::http::origin::preflight;
use crate::http::query::Params;
use crate::http::{ApiError, Code, HttpSettings, Language, client_address, document};

/// Longest path, in bytes.
const MAX_PATH: usize = 1024;
/// Longest `Host`, in bytes: a name of 253, brackets, a port.
const MAX_HOST: usize = 261;
/// Largest header section, in bytes of names and values.
const MAX_HEADERS: usize = 16 * 1024;
/// Where answers are JSON:API.
const API: &str = "/api/v1/";
/// The one answer there that is a file for spreadsheets.
const FILE: &str = "/api/v1/admin/attendances/export";

/// Headers that decide something: two of them mean two readers could decide differently.
const SINGLE: [(&str, &str); 13] = [
    ("authorization", "Authorization"),
    ("content-encoding", "Content-Encoding"),
    ("content-length", "Content-Length"),
    ("content-type", "Content-Type"),
    ("cookie", "Cookie"),
    ("host", "Host"),
    ("idempotency-key", "Idempotency-Key"),
    ("keystead-client", "Keystead-Client"),
    ("keystead-client-id", "Keystead-Client-Id"),
    ("keystead-service", "Keystead-Service"),
    ("origin", "Origin"),
    ("otp-authorization", "OTP-Authorization"),
    ("sec-fetch-site", "Sec-Fetch-Site"),
];

/// The early answer to a request that goes no further.
pub(super) fn stop(req: &ServiceRequest, settings: &HttpSettings, id: &RequestId) -> Option<HttpResponse> {
    let language = || Language::of_request(req.headers(), settings.language);
    let refuse = |error: ApiError| error.to_response(Some(id.as_str()), language());
    if is_denied(req, &settings.denied) {
        return Some(refuse(ApiError::new(Code::FORBIDDEN)));
    }
    match inspect(req) {
        Ok(()) if *req.method() == Method::OPTIONS => {
            preflight(req.headers(), &settings.origins).map(|answer| answer.unwrap_or_else(refuse))
        }
        Ok(()) => None,
        Err(error) => {
            // The connection keeps a buffer as large as the largest head for as long as it lasts.
            let hang_up = error.code() == Code::HEADERS_TOO_LARGE || error.code() == Code::URI_TOO_LONG;
            let mut refusal = refuse(error);
            if hang_up {
                refusal.head_mut().set_connection_type(ConnectionType::Close);
            }
            Some(refusal)
        }
    }
}

fn is_denied(req: &ServiceRequest, denied: &[IpNet]) -> bool {
    !denied.is_empty() && client_address(req.request()).ip().is_some_and(|ip| contains(denied, ip))
}

fn inspect(req: &ServiceRequest) -> Result<(), ApiError> {
    if *req.method() == Method::CONNECT {
        return Err(ApiError::method_not_allowed("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    }
    if !is_host(req.headers()) {
        return Err(ApiError::new(Code::BAD_HOST).in_header("Host"));
    }
    check_headers(req.headers())?;
    let path = req.uri().path();
    if path.len() > MAX_PATH {
        return Err(Code::URI_TOO_LONG.into());
    }
    if !is_plain_path(path) {
        return Err(Code::NOT_FOUND.into());
    }
    if !req.query_string().is_empty() {
        Params::parse(req.query_string())?;
    }
    let takes_answer =
        document::accepts_json_api(req.headers()) || (path == FILE && document::accepts_csv(req.headers()));
    if path.starts_with(API) && !takes_answer {
        return Err(ApiError::new(Code::NOT_ACCEPTABLE).in_header("Accept"));
    }
    Ok(())
}

/// A path every reader understands alike: no percent-encoding, no `;`, no empty or dot segments. No route needs them.
fn is_plain_path(path: &str) -> bool {
    path.starts_with('/')
        && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/".contains(&b))
        && !path.contains("//")
        && !path.contains("/./")
        && !path.contains("/../")
        && !path.ends_with("/.")
        && !path.ends_with("/..")
}

/// RFC 9112 section 3.2 asks for the header; it is never used for a link.
fn is_host(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).map(header::HeaderValue::as_bytes) else { return false };
    (1..=MAX_HOST).contains(&host.len()) && host.iter().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(b))
}

/// Bounds the header section and refuses decisive headers that come twice. Values of one name come one after the other,
/// so one walk does both.
fn check_headers(headers: &HeaderMap) -> Result<(), ApiError> {
    let (mut previous, mut size) = ("", 0);
    for (name, value) in headers {
        size += name.as_str().len() + value.len();
        if name.as_str() == previous
            && let Some((_, shown)) = SINGLE.iter().find(|(single, _)| *single == previous)
        {
            return Err(ApiError::new(Code::INVALID_HEADER).detail("the header comes twice").in_header(shown));
        }
        previous = name.as_str();
    }
    if size > MAX_HEADERS { Err(Code::HEADERS_TOO_LARGE.into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_reading() {
        for path in
            ["/", "/api/v1/auth/login", "/.well-known/jwks.json", "/api/v1/auth/tokens/abc_-1.x~y", "/api/v1/x/"]
        {
            assert!(is_plain_path(path), "{path}");
        }
        for path in [
            "",
            "*",
            "//",
            "/a//b",
            "/a/../b",
            "/a/./b",
            "/a/..",
            "/a/.",
            "/a%2fb",
            "/%2e%2e/x",
            "/a;b",
            "/me%0a.js",
            "/a\\b",
            "/a%00",
            "/me/;.js",
            "/a b",
            "/ä",
            "/a:b",
        ] {
            assert!(!is_plain_path(path), "{path}");
        }
    }
}
