//! The headers every answer has.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::request_id::{RequestId, X_REQUEST_ID};

const HSTS: (HeaderName, HeaderValue) =
    (header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000; includeSubDomains"));

/// What no handler may change.
const FIXED: [(HeaderName, HeaderValue); 7] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
    (header::CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("same-origin")),
    (
        header::PERMISSIONS_POLICY,
        HeaderValue::from_static(
            "accelerometer=(), camera=(), geolocation=(), gyroscope=(), microphone=(), payment=(), usb=()",
        ),
    ),
    // The filter of old browsers is itself a hole; the policy above does the work.
    (header::X_XSS_PROTECTION, HeaderValue::from_static("0")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
];

/// What a handler may set otherwise: a page needs scripts, a public key set may be cached.
const DEFAULTS: [(HeaderName, HeaderValue); 2] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Adds the headers of the security bar. `secure` says that the public URL is https.
pub(super) fn protect(answer: &mut HeaderMap, secure: bool, id: &RequestId) {
    answer.reserve(FIXED.len() + DEFAULTS.len() + 2);
    for (name, value) in FIXED {
        answer.insert(name, value);
    }
    for (name, value) in DEFAULTS {
        if !answer.contains_key(&name) {
            answer.insert(name, value);
        }
    }
    if secure {
        let (name, value) = HSTS;
        answer.insert(name, value);
    }
    answer.insert(X_REQUEST_ID, id.value());
    answer.remove(header::SERVER);
}
