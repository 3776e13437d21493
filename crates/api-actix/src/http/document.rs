//! JSON:API documents: how answers are built and which media types a client may ask for.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use keystead_domain::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::media::MediaType;

/// `application/vnd.api+json`.
pub(super) const JSON_API: HeaderValue = HeaderValue::from_static("application/vnd.api+json");

/// One resource object.
#[derive(Debug, Serialize)]
pub struct Resource<'a, A> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: Cow<'a, str>,
    attributes: A,
}

/// A resource object with serializable attributes; derive `Serialize` with `rename_all = "camelCase"`.
pub fn resource<'a, A: Serialize>(kind: &'static str, id: impl Into<Cow<'a, str>>, attributes: A) -> Resource<'a, A> {
    Resource { kind, id: id.into(), attributes }
}

/// A whole answer: one resource or a list.
#[derive(Debug, Serialize)]
pub struct Document<D> {
    data: D,
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<Links>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    meta: Map<String, Value>,
}

#[derive(Debug, Serialize)]
struct Links {
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl<'a, A: Serialize> Document<Resource<'a, A>> {
    /// A document with one resource.
    pub fn single(resource: Resource<'a, A>) -> Self {
        Self { data: resource, links: None, meta: Map::new() }
    }
}

impl<'a, A: Serialize> Document<Vec<Resource<'a, A>>> {
    /// A page of a list; `next` is the link to the page after it (see [`next_link`]), absent on the last one.
    pub fn list(resources: Vec<Resource<'a, A>>, next: Option<String>) -> Self {
        Self { data: resources, links: Some(Links { next }), meta: Map::new() }
    }
}

impl<D: Serialize> Document<D> {
    /// Adds a fact about the document.
    pub fn meta(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.meta.insert(name.to_owned(), value.into());
        self
    }

    /// 200.
    pub fn ok(&self) -> HttpResponse {
        self.respond(StatusCode::OK)
    }

    /// 201.
    pub fn created(&self) -> HttpResponse {
        self.respond(StatusCode::CREATED)
    }

    /// 202.
    pub fn accepted(&self) -> HttpResponse {
        self.respond(StatusCode::ACCEPTED)
    }

    /// The answer with this status.
    pub fn respond(&self, status: StatusCode) -> HttpResponse {
        json_api(status, self)
    }
}

/// An answer whose whole body is `document`, serialized straight to bytes.
pub fn json_api(status: StatusCode, document: &impl Serialize) -> HttpResponse {
    let mut body = Vec::with_capacity(512);
    match serde_json::to_writer(&mut body, document) {
        Ok(()) => HttpResponse::build(status).insert_header((header::CONTENT_TYPE, JSON_API)).body(body),
        Err(error) => super::ApiError::internal(error).to_response(None, super::Language::default()),
    }
}

/// 204.
pub fn no_content() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

/// 202 without a body.
pub fn accepted() -> HttpResponse {
    HttpResponse::Accepted().finish()
}

/// The relative link to the page after `after`: never from a header, so a forged `Host` cannot turn it elsewhere.
pub fn next_link(path: &str, size: u32, after: &str) -> String {
    next_link_with(path, &[], size, after)
}

/// [`next_link`], with the other parameters of the list.
pub fn next_link_with(path: &str, parameters: &[(&str, String)], size: u32, after: &str) -> String {
    let mut link = format!("{path}?");
    for (name, value) in parameters {
        link.extend([percent_encoded(name), "=".into(), percent_encoded(value), "&".into()]);
    }
    link + &format!("page%5Bsize%5D={size}&page%5Bafter%5D={}", percent_encoded(after))
}

/// RFC 3986 section 2.3: everything but unreserved characters is encoded.
fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// A time on the wire: RFC 3339, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, utoipa::ToSchema)]
#[schema(value_type = String, format = DateTime)]
pub struct Time(pub Timestamp);

impl Time {
    /// Reads a time of RFC 3339.
    pub fn parse(text: &str) -> Option<Timestamp> {
        let at: jiff::Timestamp = text.parse().ok()?;
        Some(Timestamp::from_micros(at.as_microsecond()))
    }
}

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match jiff::Timestamp::from_microsecond(self.0.as_micros()) {
            Ok(at) => serializer.collect_str(&at),
            Err(_) => Err(serde::ser::Error::custom("a time outside the years RFC 3339 knows")),
        }
    }
}

/// Whether the client takes `application/vnd.api+json` (RFC 9110 section 12.5.1; JSON:API 1.1, server responsibilities).
pub fn accepts_json_api(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::ACCEPT).peekable();
    values.peek().is_none() || values.any(|value| value.to_str().is_ok_and(accepts))
}

/// Whether the client takes `text/csv`.
pub(super) fn accepts_csv(headers: &HeaderMap) -> bool {
    let is_csv = |range: MediaType<'_>| range.weight() > 0.0 && matches!(range.essence.as_str(), "text/*" | "text/csv");
    let values = headers.get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
    let mut ranges = values.flat_map(|value| super::media::split_outside_quotes(value, b','));
    ranges.any(|range| MediaType::parse(range).is_some_and(is_csv))
}

fn accepts(accept: &str) -> bool {
    if matches!(accept, "*/*" | "application/json" | "application/vnd.api+json") {
        return true;
    }
    super::media::split_outside_quotes(accept, b',').filter_map(MediaType::parse).any(|range| {
        range.weight() > 0.0
            && match range.essence.as_str() {
                "*/*" | "application/*" | "application/json" => true,
                "application/vnd.api+json" => range.is_plain_json_api(),
                _ => false,
            }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Sample {
        created_at: Time,
    }

    #[actix_web::test]
    async fn documents_have_the_json_api_shape() {
        let sample = || resource("samples", "1", Sample { created_at: Timestamp::from_micros(1_500_000).into() });
        let single = Document::single(sample()).meta("total", 1).created();
        assert_eq!(single.status(), StatusCode::CREATED);
        assert_eq!(single.headers().get(header::CONTENT_TYPE), Some(&JSON_API));
        let body = actix_web::body::to_bytes(single.into_body()).await.unwrap();
        let one = json!({"type": "samples", "id": "1", "attributes": {"createdAt": "1970-01-01T00:00:01.5Z"}});
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), json!({"data": one, "meta": {"total": 1}}));

        let list = Document::list(vec![sample()], Some(next_link("/api/v1/samples", 20, "a b&"))).ok();
        let body = actix_web::body::to_bytes(list.into_body()).await.unwrap();
        let next = "/api/v1/samples?page%5Bsize%5D=20&page%5Bafter%5D=a%20b%26";
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), json!({"data": [one], "links": {"next": next}}));
    }

    #[test]
    fn accept_is_negotiated() {
        for (accept, expected) in [
            ("*/*", true),
            ("application/*", true),
            ("application/json", true),
            ("Application/JSON; q=0.5", true),
            ("application/vnd.api+json", true),
            ("application/vnd.api+json; profile=\"https://a.example/x,y\"", true),
            ("application/vnd.api+json; charset=utf-8", false),
            ("application/vnd.api+json; charset=utf-8, application/vnd.api+json", true),
            ("application/vnd.api+json; ext=\"https://jsonapi.org/ext/atomic\"", false),
            ("text/html, */*;q=0.1", true),
            ("text/html", false),
            ("application/xml", false),
            ("*/*;q=0", false),
            ("application/json;q=0.000", false),
            ("nonsense", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(accepts_json_api(&headers), expected, "{accept:?}");
        }
        assert!(accepts_json_api(&HeaderMap::new()));
    }
}
