//! Names for requests, cheap enough for the hot path.

use std::cell::Cell;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use keystead_application::ports::Entropy;

use crate::http::ApiError;

/// `X-Request-Id`.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request: the client's own when it sent a usable one, else made here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The id, 1 to 64 of `[A-Za-z0-9_-]`.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(super) fn value(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl FromRequest for RequestId {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(
            req.extensions().get::<Self>().cloned().ok_or_else(|| ApiError::internal("the edge middleware is missing")),
        )
    }
}

/// Makes ids on one thread: random bits drawn once, then a counter. Unique, not secret.
#[derive(Debug)]
pub(super) struct RequestIds {
    prefix: u64,
    count: Cell<u64>,
}

impl RequestIds {
    pub(super) fn new(entropy: &dyn Entropy) -> Self {
        let mut seed = [0; 8];
        entropy.fill(&mut seed);
        Self { prefix: u64::from_ne_bytes(seed), count: Cell::new(0) }
    }

    /// The id of a request with these headers.
    pub(super) fn of(&self, headers: &HeaderMap) -> RequestId {
        match headers.get(X_REQUEST_ID).filter(|id| is_usable(id.as_bytes())) {
            Some(id) => RequestId(id.clone()),
            None => self.next(),
        }
    }

    fn next(&self) -> RequestId {
        let count = self.count.get();
        self.count.set(count.wrapping_add(1));
        let text = format!("{:016x}-{count:x}", self.prefix);
        RequestId(HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(HeaderValue::from_static("none")))
    }
}

fn is_usable(id: &[u8]) -> bool {
    (1..=64).contains(&id.len()) && id.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Entropy for Fixed {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(0xab);
        }
    }

    #[test]
    fn usable_ids_are_kept_and_others_replaced() {
        let ids = RequestIds::new(&Fixed);
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID, HeaderValue::from_str(text).unwrap());
            ids.of(&headers).as_str().to_owned()
        };
        assert_eq!(of("abc_-9"), "abc_-9");
        assert_eq!(of(&"a".repeat(64)), "a".repeat(64));
        for text in ["", "a b", "a\"}", "\u{e9}", "a.b", &"a".repeat(65)] {
            assert!(of(text).starts_with("abababababababab-"), "{text:?}");
        }
        assert_ne!(ids.of(&HeaderMap::new()), ids.of(&HeaderMap::new()));
    }
}
