//! Which pages may call: CSRF for routes that trust cookies, CORS for pages on the list.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use thiserror::Error;

use super::{ApiError, Code, HttpSettings};

const ALLOW_METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
const ALLOW_HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Idempotency-Key, Keystead-Client, Keystead-Client-Id, OTP-Authorization, X-Request-Id",
);
const EXPOSE_HEADERS: HeaderValue =
    HeaderValue::from_static("RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id");
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
const TRUE: HeaderValue = HeaderValue::from_static("true");
const ORIGIN: HeaderValue = HeaderValue::from_static("Origin");

/// The origins whose pages may use the API: the public URL's own and those configured. Compared byte by byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedOrigins(Vec<HeaderValue>);

/// The text is no origin (RFC 6454 section 6.2).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no origin; write scheme://host or scheme://host:port, in lower case, without a path")]
pub struct OriginError(pub String);

impl AllowedOrigins {
    /// Nobody.
    pub const NONE: Self = Self(Vec::new());

    /// Allows exactly these origins, as browsers write them: lower case, no default port, no path.
    pub fn try_new<'a>(origins: impl IntoIterator<Item = &'a str>) -> Result<Self, OriginError> {
        origins.into_iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether pages of this origin may call.
    pub fn allows(&self, origin: &HeaderValue) -> bool {
        self.0.iter().any(|known| known == origin)
    }
}

fn parse(origin: &str) -> Result<HeaderValue, OriginError> {
    let error = || OriginError(origin.to_owned());
    let (scheme, host) = origin.split_once("://").ok_or_else(error)?;
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let is_host = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:[]".contains(&b);
    let good = matches!(scheme, "http" | "https")
        && !host.is_empty()
        && host.bytes().all(is_host)
        && !host.ends_with(default_port);
    HeaderValue::from_str(origin).ok().filter(|_| good).ok_or_else(error)
}

/// Refuses a request that did not come from a page on the list: `Origin` on the list or, absent, `Sec-Fetch-Site:
/// same-origin`. For routes where a cookie authenticates; native clients have no cookies and need not pass.
pub fn require_same_origin(req: &HttpRequest) -> Result<(), ApiError> {
    let mut origins = req.headers().get_all(header::ORIGIN);
    let from_our_page = match (origins.next(), origins.next()) {
        (Some(origin), None) => HttpSettings::of(req).origins.allows(origin),
        (None, _) => req.headers().get("sec-fetch-site").is_some_and(|site| site == "same-origin"),
        _ => false,
    };
    if from_our_page { Ok(()) } else { Err(ApiError::new(Code::CSRF_ORIGIN).in_header("Origin")) }
}

/// Answers a CORS preflight; `None` when the request is none.
pub(super) fn preflight(headers: &HeaderMap, origins: &AllowedOrigins) -> Option<Result<HttpResponse, ApiError>> {
    let origin = headers.get(header::ORIGIN)?;
    headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
    if !origins.allows(origin) {
        return Some(Err(ApiError::new(Code::CSRF_ORIGIN).in_header("Origin")));
    }
    let mut response = HttpResponse::NoContent().finish();
    let answer = response.headers_mut();
    answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOW_METHODS);
    answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOW_HEADERS);
    answer.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    Some(Ok(response))
}

/// Lets a page on the list read the answer. The origin is echoed exactly, never `*`; caches are told that it matters.
pub(super) fn share(origin: Option<&HeaderValue>, origins: &AllowedOrigins, answer: &mut HeaderMap) {
    if origins.0.is_empty() {
        return;
    }
    answer.append(header::VARY, ORIGIN);
    let Some(origin) = origin.filter(|origin| origins.allows(origin)) else { return };
    let shared: [(HeaderName, HeaderValue); 3] = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()),
        (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSE_HEADERS),
    ];
    for (name, value) in shared {
        answer.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use actix_web::web::Data;

    use super::*;

    fn check(headers: &[(&str, &str)]) -> Option<Code> {
        let origins = AllowedOrigins::try_new(["https://id.example.com", "https://app.example.com:8443"]).unwrap();
        let settings = HttpSettings { origins, ..HttpSettings::default() };
        let request = TestRequest::post().app_data(Data::new(settings));
        let request = headers.iter().fold(request, |request, header| request.append_header(*header));
        require_same_origin(&request.to_http_request()).err().map(|error| error.code())
    }

    #[test]
    fn d04_cookies_are_trusted_from_our_own_pages_alone() {
        for headers in [
            vec![("Origin", "https://id.example.com")],
            vec![("Origin", "https://app.example.com:8443"), ("Sec-Fetch-Site", "cross-site")],
            vec![("Sec-Fetch-Site", "same-origin")],
        ] {
            assert_eq!(check(&headers), None, "{headers:?}");
        }
        for headers in [
            vec![],
            vec![("Origin", "null")],
            vec![("Origin", "")],
            vec![("Origin", "http://id.example.com")],
            vec![("Origin", "https://id.example.com.evil.org")],
            vec![("Origin", "https://evilid.example.com")],
            vec![("Origin", "https://id.example.com:444")],
            vec![("Origin", "https://app.example.com")],
            vec![("Origin", "https://id.example.com/")],
            vec![("Origin", "https://ID.example.com")],
            vec![("Origin", "https://id.example.com"), ("Origin", "https://evil.org")],
            vec![("Origin", "https://evil.org"), ("Sec-Fetch-Site", "same-origin")],
            vec![("Sec-Fetch-Site", "same-site")],
            vec![("Sec-Fetch-Site", "cross-site")],
            vec![("Sec-Fetch-Site", "none")],
            vec![("Referer", "https://id.example.com/")],
        ] {
            assert_eq!(check(&headers), Some(Code::CSRF_ORIGIN), "{headers:?}");
        }
    }

    #[test]
    fn the_list_holds_origins_as_browsers_write_them() {
        for text in [
            "*",
            "null",
            "example.com",
            "https://",
            "https://a.example/",
            "https://A.example",
            "https://a.example:443",
            "http://a.example:80",
            "ftp://a.example",
            "https://a.example?x",
            "https://u@a.example",
            "https://*.example.com",
        ] {
            assert!(AllowedOrigins::try_new([text]).is_err(), "{text}");
        }
        assert!(AllowedOrigins::try_new(["http://127.0.0.1:8787", "http://[::1]:8787", "https://a.example"]).is_ok());
    }
}
