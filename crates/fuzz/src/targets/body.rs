//! Request bodies and the media types they come and go as.

use actix_web::FromRequest as _;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::test::TestRequest;
use keystead_api_actix::dto;
use keystead_api_actix::http::{ApiBody, ApiError, Change, Code, Source, accepts_json_api};
use keystead_domain::SecretString;
use keystead_domain::limits::JSON_DEPTH;
use serde_json::Value;

use super::request::wait;
use crate::check;
use crate::strict::Strict;

dto! {
    /// One attribute of every kind.
    pub struct Probe: "probes" {
        /// Text with a rule.
        #[validate(length(max = 20))]
        text: Option<String>,
        /// Text that is not shown.
        #[schema(value_type = Option<String>)]
        secret: Option<SecretString>,
        /// A switch.
        flag: Option<bool>,
        /// A number of 32 bits.
        count: Option<u32>,
        /// A number of 64 bits.
        whole_number: Option<u64>,
        /// A number with a sign.
        signed: Option<i64>,
        /// A list.
        list: Option<Vec<String>>,
        /// Anything.
        #[schema(value_type = Option<Object>)]
        object: Option<Value>,
        /// To be kept, cleared or set.
        #[schema(value_type = Option<String>)]
        change: Change<String>,
    }
}

/// How a body is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Bare,
    Document,
    Update,
}

fn read(shape: Shape, body: &[u8]) -> Result<Probe, ApiError> {
    let media = if shape == Shape::Bare { "application/json" } else { "application/vnd.api+json" };
    let method = if shape == Shape::Update { Method::PATCH } else { Method::POST };
    let request = TestRequest::default().method(method).param("id", "42");
    sent(request.insert_header((header::CONTENT_TYPE, media)), body)
}

fn sent(request: TestRequest, body: &[u8]) -> Result<Probe, ApiError> {
    let (request, mut payload) = request.set_payload(body.to_vec()).to_http_parts();
    wait(ApiBody::<Probe>::from_request(&request, &mut payload)).map(ApiBody::into_inner)
}

/// `json_document`: the first byte is how the body is sent (`b` bare, `d` as a document, `u` as an update of `/42`), the
/// rest is the body.
pub(super) fn document(bytes: &[u8]) {
    let Some((shape, body)) = bytes.split_first() else { return };
    let shape = match shape % 3 {
        1 => Shape::Document,
        2 => Shape::Bare,
        _ => Shape::Update,
    };
    let lawful =
        !body.starts_with(b"\xef\xbb\xbf") && Strict::read(body).is_some_and(|json| json.is_lawful(JSON_DEPTH));
    match read(shape, body) {
        Ok(probe) => {
            assert!(lawful, "taken, though two readers could differ about it");
            is_what_was_sent(&probe, shape, body);
        }
        Err(error) => {
            check::refusal(&error);
            assert_eq!(error.code() == Code::BAD_JSON, !lawful, "{error}");
            if lawful {
                points_at_what_is_there(&error, body);
            }
        }
    }
}

/// Every attribute has the value another reader finds.
fn is_what_was_sent(probe: &Probe, shape: Shape, body: &[u8]) {
    let whole: Value = serde_json::from_slice(body).expect("what was taken is JSON");
    let none = Value::Null;
    let attributes = if shape == Shape::Bare { Some(&whole) } else { whole.pointer("/data/attributes") };
    let at = |name: &str| attributes.and_then(|attributes| attributes.get(name)).unwrap_or(&none);
    assert_eq!(probe.text.as_deref(), at("text").as_str());
    assert_eq!(probe.secret.as_ref().map(SecretString::expose), at("secret").as_str());
    assert_eq!(probe.flag, at("flag").as_bool());
    assert_eq!(probe.count.map(u64::from), at("count").as_u64());
    assert_eq!(probe.whole_number, at("wholeNumber").as_u64());
    assert_eq!(probe.signed, at("signed").as_i64());
    let list = at("list").as_array().map(|list| list.iter().filter_map(Value::as_str).collect::<Vec<_>>());
    assert_eq!(probe.list.as_ref().map(|list| list.iter().map(String::as_str).collect::<Vec<_>>()), list);
    assert_eq!(probe.object.as_ref().unwrap_or(&none), at("object"));
    let change = match attributes.and_then(|attributes| attributes.get("change")) {
        None => Change::Keep,
        Some(Value::String(text)) => Change::Set(text.clone()),
        Some(_) => Change::Clear,
    };
    assert_eq!(probe.change, change);
    assert!(probe.text.as_ref().is_none_or(|text| text.chars().count() <= 20));
}

/// A pointer of a problem leads to a value of the body, whatever its name is made of.
fn points_at_what_is_there(error: &ApiError, body: &[u8]) {
    let whole: Value = serde_json::from_slice(body).expect("what is lawful is JSON");
    for problem in error.problems() {
        if let (false, Some(Source::Pointer(pointer))) = (problem.code() == Code::MISSING_ATTRIBUTE, problem.source()) {
            let is_there = whole.pointer(pointer).is_some() || is_cut(&whole, pointer);
            assert!(is_there, "{} at {pointer:?}, where nothing is", problem.code());
        }
    }
}

/// Whether a pointer names a member by the first 64 characters of its name, which is where names of clients are cut.
fn is_cut(whole: &Value, pointer: &str) -> bool {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return false };
    let name = name.replace("~1", "/").replace("~0", "~");
    let members = whole.pointer(parent).and_then(Value::as_object);
    name.chars().count() == 64 && members.is_some_and(|members| members.keys().any(|key| key.starts_with(&name)))
}

/// `content_type`: the value of the header.
pub(super) fn content_type(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let is_taken = |value: &HeaderValue| {
        let request = TestRequest::post().insert_header((header::CONTENT_TYPE, value.clone()));
        let read = sent(request, b"{}");
        read.as_ref().err().into_iter().for_each(check::refusal);
        // As a document `{}` lacks its data.
        read.err().is_none_or(|error| error.code() != Code::UNSUPPORTED_MEDIA_TYPE)
    };
    if !is_taken(&value) {
        return;
    }
    let sent = value.to_str().expect("what was taken is text").to_ascii_lowercase();
    let essence = sent.split(';').next().unwrap_or_default().trim();
    assert!(matches!(essence, "application/json" | "application/vnd.api+json"), "{sent:?}");
    assert!(!sent.contains("utf-16") || sent.contains("profile"), "{sent:?}");
    let shouted = HeaderValue::from_str(&sent.to_ascii_uppercase()).expect("text is a header");
    assert!(is_taken(&shouted), "names of media types are the same in both cases: {sent:?}");
}

/// `accept`: the lines of the header.
pub(super) fn accept(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(value) = HeaderValue::from_bytes(line) else { return };
        headers.append(header::ACCEPT, value);
    }
    let taken = accepts_json_api(&headers);
    // Another line asks for more, never for less.
    headers.append(header::ACCEPT, HeaderValue::from_static("text/html, image/*;q=0.5"));
    assert_eq!(accepts_json_api(&headers), taken, "a line that allows nothing here changed the answer");
    headers.append(header::ACCEPT, HeaderValue::from_static("application/vnd.api+json"));
    assert!(accepts_json_api(&headers));
    let lower = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    assert!(!taken || lower.contains("json") || lower.contains('*'), "{lower:?} allows no JSON");
}
