use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::test::TestRequest;
use actix_web::{FromRequest, HttpRequest};
use keystead_domain::SecretString;
use keystead_domain::account::{EmailAddress, FullName, PasswordPolicy};

use super::*;
use crate::http::{ApiError, Code, Source};

crate::dto! {
    /// A sample.
    pub(super) struct Sample: "samples" {
        /// Checked by the domain.
        email: String,
        /// Checked by validator.
        #[validate(length(min = 2, max = 5))]
        nick_name: Option<String>,
        #[schema(value_type = String)]
        new_password: SecretString,
        #[validate(range(max = 10))]
        age: Option<u32>,
        #[schema(value_type = Option<String>)]
        locale: Change<String>,
    }
}

const JSON: &str = "application/json";
const JSON_API: &str = "application/vnd.api+json";

fn request(content_type: &str, body: &[u8]) -> (HttpRequest, Payload) {
    let request = TestRequest::post().insert_header(("content-length", body.len()));
    let request = if content_type.is_empty() { request } else { request.insert_header(("content-type", content_type)) };
    request.set_payload(body.to_vec()).to_http_parts()
}

async fn read(content_type: &str, body: &str) -> Result<ApiBody<Sample>, ApiError> {
    let (req, mut payload) = request(content_type, body.as_bytes());
    ApiBody::from_request(&req, &mut payload).await
}

fn found(error: &ApiError) -> Vec<(Code, &str)> {
    let pointer = |source: Option<&Source>| match source {
        Some(Source::Pointer(text)) => text.clone().leak() as &str,
        Some(Source::Header(name)) => name,
        _ => "",
    };
    error.problems().iter().map(|problem| (problem.code(), pointer(problem.source()))).collect()
}

#[actix_web::test]
async fn both_document_shapes_are_one_body() {
    let bare = r#"{"email":"a@b.cd","newPassword":"pw","age":3,"locale":null,"nickName":null}"#;
    let document =
        format!(r#"{{"data":{{"type":"samples","id":"1","attributes":{bare}}},"jsonapi":{{"version":"1.1"}}}}"#);
    for (content_type, text) in [
        (JSON, bare),
        ("Application/JSON; charset=UTF-8", bare),
        ("application/json;charset=\"utf-8\"", bare),
        (JSON_API, &document),
        ("application/vnd.api+json; profile=\"https://p.example\"", &document),
    ] {
        let body = read(content_type, text).await.unwrap();
        assert_eq!((body.email.as_str(), body.new_password.expose(), body.age), ("a@b.cd", "pw", Some(3)));
        assert_eq!((body.nick_name.as_deref(), &body.locale), (None, &Change::Clear));
        assert!(!format!("{body:?}").contains("\"pw\""));
    }
}

#[actix_web::test]
async fn every_problem_is_found_at_once_and_no_value_is_echoed() {
    let bare = r#"{"nickName":7,"role":"hunter2","a/b~":1,"age":-1}"#;
    let error = read(JSON, bare).await.unwrap_err();
    let expected = [
        (Code::MISSING_ATTRIBUTE, "/email"),
        (Code::WRONG_TYPE, "/nickName"),
        (Code::MISSING_ATTRIBUTE, "/newPassword"),
        (Code::WRONG_TYPE, "/age"),
        (Code::UNKNOWN_ATTRIBUTE, "/a~1b~0"),
        (Code::UNKNOWN_ATTRIBUTE, "/role"),
    ];
    let mut actual = found(&error);
    actual[4..].sort_by_key(|(_, pointer)| *pointer);
    assert_eq!(actual, expected);
    assert!(!String::from_utf8(error.body(None, crate::http::Language::English)).unwrap().contains("hunter2"));

    let document = format!(r#"{{"data":{{"type":"samples","attributes":{bare}}}}}"#);
    let error = read(JSON_API, &document).await.unwrap_err();
    assert!(found(&error).contains(&(Code::WRONG_TYPE, "/data/attributes/nickName")));
}

#[actix_web::test]
async fn validator_speaks_with_pointers_and_without_values() {
    let body = r#"{"email":"a@b.cd","newPassword":"pw","nickName":"far too long","age":11}"#;
    let error = read(JSON, body).await.unwrap_err();
    assert_eq!(found(&error), [(Code::VALIDATION_FAILED, "/age"), (Code::VALIDATION_FAILED, "/nickName")]);
    let text = String::from_utf8(error.body(None, crate::http::Language::English)).unwrap();
    assert!(text.contains("the length must be 2 to 5") && text.contains("the value must be at most 10"), "{text}");
    assert!(!text.contains("far too long"));
}

#[actix_web::test]
async fn documents_are_strict() {
    for (body, expected) in [
        ("[]", (Code::WRONG_TYPE, "")),
        ("{}", (Code::MISSING_ATTRIBUTE, "/data")),
        (r#"{"data":null}"#, (Code::WRONG_TYPE, "/data")),
        (r#"{"data":{}}"#, (Code::MISSING_ATTRIBUTE, "/data/type")),
        (r#"{"data":{"type":1}}"#, (Code::WRONG_TYPE, "/data/type")),
        (r#"{"data":{"type":"users"}}"#, (Code::TYPE_CONFLICT, "/data/type")),
        (r#"{"data":{"type":"samples","attributes":[]}}"#, (Code::WRONG_TYPE, "/data/attributes")),
        (r#"{"data":{"type":"samples","relationships":{}}}"#, (Code::UNKNOWN_ATTRIBUTE, "/data/relationships")),
        (r#"{"data":{"type":"samples"},"meta":{}}"#, (Code::UNKNOWN_ATTRIBUTE, "/meta")),
        (r#"{"data":{"type":"samples"},"data":{"type":"samples"}}"#, (Code::BAD_JSON, "")),
    ] {
        assert_eq!(found(&read(JSON_API, body).await.unwrap_err()), [expected], "{body}");
    }
    assert_eq!(found(&read(JSON, "[1]").await.unwrap_err()), [(Code::WRONG_TYPE, "")]);
    assert_eq!(found(&read(JSON, "").await.unwrap_err()), [(Code::BAD_JSON, "")]);
}

#[actix_web::test]
async fn h04_media_types_are_checked_before_the_body() {
    for content_type in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/json; charset=latin1",
        "application/json; charset=utf-8; charset=utf-16",
        "application/json; version=2",
        "application/vnd.api+json; charset=utf-8",
        "application/vnd.api+json; ext=\"https://jsonapi.org/ext/atomic\"",
        "application/json, text/plain",
        "json",
    ] {
        let error = read(content_type, "not even JSON").await.unwrap_err();
        assert_eq!(found(&error), [(Code::UNSUPPORTED_MEDIA_TYPE, "Content-Type")], "{content_type}");
    }
    let (req, mut payload) = TestRequest::post()
        .insert_header(("content-type", JSON))
        .insert_header(("content-encoding", "gzip"))
        .to_http_parts();
    let error = ApiBody::<Sample>::from_request(&req, &mut payload).await.unwrap_err();
    assert_eq!(found(&error), [(Code::UNSUPPORTED_MEDIA_TYPE, "Content-Encoding")]);
    assert_eq!(
        error.to_response(None, crate::http::Language::English).headers().get(header::ACCEPT_ENCODING).unwrap(),
        "identity"
    );
}

#[actix_web::test]
async fn h03_long_bodies_are_refused_by_header_and_by_count() {
    let (req, mut payload) = TestRequest::post()
        .insert_header(("content-type", JSON))
        .insert_header(("content-length", 65_537))
        .to_http_parts();
    let error = ApiBody::<Sample>::from_request(&req, &mut payload).await.unwrap_err();
    assert_eq!(error.code(), Code::PAYLOAD_TOO_LARGE);

    // Chunked: no length is announced.
    let (req, mut payload) =
        TestRequest::post().insert_header(("content-type", JSON)).set_payload(vec![b' '; 65_537]).to_http_parts();
    let error = ApiBody::<Sample>::from_request(&req, &mut payload).await.unwrap_err();
    assert_eq!(error.code(), Code::PAYLOAD_TOO_LARGE);

    for length in ["+5", "0x5", "-1", "5, 5", "99999999999999999999999"] {
        let (req, mut payload) = TestRequest::post()
            .insert_header(("content-type", JSON))
            .insert_header(("content-length", length))
            .to_http_parts();
        let error = ApiBody::<Sample>::from_request(&req, &mut payload).await.unwrap_err();
        assert!(matches!(error.code(), Code::INVALID_HEADER | Code::PAYLOAD_TOO_LARGE), "{length}");
    }

    let limits = BodyLimits { bytes: 4, timeout: Duration::from_secs(1) };
    let (req, mut payload) =
        TestRequest::post().app_data(limits).insert_header(("content-type", JSON)).set_payload("     ").to_http_parts();
    let error = ApiBody::<Sample>::from_request(&req, &mut payload).await.unwrap_err();
    assert_eq!(error.code(), Code::PAYLOAD_TOO_LARGE, "the route's own limit counts");
}

#[actix_web::test]
async fn h06_a_body_that_never_ends_times_out() {
    let limits = BodyLimits { bytes: 64, timeout: Duration::from_millis(5) };
    let (req, _) = TestRequest::post().app_data(limits).insert_header(("content-type", JSON)).to_http_parts();
    let silence = futures_util::stream::pending::<Result<actix_web::web::Bytes, actix_web::error::PayloadError>>();
    let mut payload = Payload::from(Box::pin(silence) as std::pin::Pin<Box<dyn futures_util::Stream<Item = _>>>);
    let error = ApiBody::<Sample>::from_request(&req, &mut payload).await.unwrap_err();
    assert_eq!(error.code(), Code::REQUEST_TIMEOUT);
}

#[actix_web::test]
async fn routes_without_a_body_take_none() {
    for (content_type, body, expected) in [
        ("", "", None),
        (JSON, "{}", None),
        (JSON_API, " {} ", None),
        (JSON, "{\"a\":1}", Some(Code::UNKNOWN_ATTRIBUTE)),
        (JSON, "[]", Some(Code::WRONG_TYPE)),
        (JSON, "x", Some(Code::BAD_JSON)),
        ("text/plain", "x", Some(Code::UNSUPPORTED_MEDIA_TYPE)),
    ] {
        let (req, mut payload) = request(content_type, body.as_bytes());
        let refused = NoBody::from_request(&req, &mut payload).await.err().map(|error| error.code());
        assert_eq!(refused, expected, "{content_type} {body}");
    }
    let (req, mut payload) = request("", b"");
    assert!(OptionalBody::<Sample>::from_request(&req, &mut payload).await.unwrap().0.is_none());
    let (req, mut payload) = request(JSON, b"{}");
    let error = OptionalBody::<Sample>::from_request(&req, &mut payload).await.unwrap_err();
    assert_eq!(error.code(), Code::MISSING_ATTRIBUTE, "a body that is there is checked");
}

#[actix_web::test]
async fn the_domain_s_refusals_come_all_at_once() {
    let body = read(JSON, r#"{"email":"nobody","newPassword":"short","nickName":"http"}"#).await.unwrap();
    let mut check = body.check();
    let email = check.field("email", EmailAddress::try_new(&body.email), Code::INVALID_EMAIL);
    let name = check.optional("nickName", body.nick_name.as_deref().map(FullName::try_new), Code::INVALID_FULL_NAME);
    let password = check.password("newPassword", PasswordPolicy::default().accept(body.new_password.expose(), &[]));
    let error = check.finish((email, name, password)).unwrap_err();
    assert_eq!(found(&error), [(Code::INVALID_EMAIL, "/email"), (Code::PASSWORD_TOO_SHORT, "/newPassword")]);
    assert!(String::from_utf8(error.body(None, crate::http::Language::English)).unwrap().contains("\"minLength\":8"));

    let mut check = body.check();
    let name = check.optional("nickName", None::<Result<FullName, String>>, Code::INVALID_FULL_NAME);
    assert_eq!(check.finish(name).unwrap(), None);
}

#[test]
fn the_schema_has_the_wire_names() {
    let schema = serde_json::to_value(<Sample as utoipa::PartialSchema>::schema()).unwrap();
    assert_eq!(schema["required"], serde_json::json!(["email", "newPassword"]));
    assert!(schema["properties"]["nickName"].is_object());
}
