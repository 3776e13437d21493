//! The one error type of the API, and how it looks on the wire.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::cookie::Cookie;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use serde_json::{Map, Value};

use super::codes::Code;
use super::document::JSON_API;
use super::languages::Language;

/// `WWW-Authenticate` when no token was shown (RFC 6750 section 3).
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"keystead\"");
/// `WWW-Authenticate` when the shown token was refused (RFC 6750 section 3.1).
const CHALLENGE_TOKEN: HeaderValue = HeaderValue::from_static("Bearer realm=\"keystead\", error=\"invalid_token\"");
/// `WWW-Authenticate` when the token is fine and a stronger or fresher proof is wanted (RFC 9470 section 3).
/// `acr_values` is what `amr` would hold then.
const CHALLENGE_FACTOR: HeaderValue = HeaderValue::from_static(
    "Bearer realm=\"keystead\", error=\"insufficient_user_authentication\", acr_values=\"mfa\"",
);
/// The same for a fresher proof; `max_age` is [`keystead_domain::limits::REAUTH_WINDOW`] in seconds.
const CHALLENGE_FRESH: HeaderValue =
    HeaderValue::from_static("Bearer realm=\"keystead\", error=\"insufficient_user_authentication\", max_age=\"300\"");
/// `Retry-After` of a 429 or 503 that names no better figure.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Where in the request an error lies (JSON:API 1.1, error objects).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A JSON pointer (RFC 6901) into the body.
    Pointer(String),
    /// A query parameter.
    Parameter(String),
    /// A header.
    Header(&'static str),
}

/// One error object.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    code: Code,
    detail: Option<Cow<'static, str>>,
    source: Option<Source>,
    meta: Map<String, Value>,
}

impl Problem {
    /// A problem that says no more than its code.
    pub fn new(code: Code) -> Self {
        Self { code, detail: None, source: None, meta: Map::new() }
    }

    /// Says what happened this time, in English; without it an error says what its code means. Never a rejected value,
    /// never another library's words. The text is also the key of the catalogues of other languages: see `languages`.
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Points into the body.
    pub fn pointer(mut self, pointer: impl Into<String>) -> Self {
        self.source = Some(Source::Pointer(pointer.into()));
        self
    }

    /// Names a query parameter.
    pub fn parameter(mut self, name: impl Into<String>) -> Self {
        self.source = Some(Source::Parameter(name.into()));
        self
    }

    /// Names a header.
    pub fn in_header(mut self, name: &'static str) -> Self {
        self.source = Some(Source::Header(name));
        self
    }

    /// Adds a fact for programs.
    pub fn meta(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.meta.insert(name.to_owned(), value.into());
        self
    }

    /// The code.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Where it lies.
    pub const fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }
}

/// One or many problems, and the headers that go with them. One pointer wide, so that results stay small.
#[derive(Debug)]
pub struct ApiError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    problems: Vec<Problem>,
    retry_after: Option<Duration>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<String>,
}

impl ApiError {
    /// One problem that says no more than its code.
    pub fn new(code: Code) -> Self {
        Problem::new(code).into()
    }

    /// All problems of a request; `None` when there are none.
    pub fn many(problems: Vec<Problem>) -> Option<Self> {
        (!problems.is_empty())
            .then(|| Self(Box::new(Inner { problems, retry_after: None, headers: Vec::new(), cause: None })))
    }

    /// 500. `cause` goes to the log, never to the client.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::new(Code::INTERNAL).cause(cause)
    }

    /// 503: a store did not answer. `cause` goes to the log, never to the client.
    pub fn unavailable(cause: impl fmt::Display) -> Self {
        Self::new(Code::DEPENDENCY_UNAVAILABLE).cause(cause)
    }

    /// 405 with the methods the resource has.
    pub fn method_not_allowed(allowed: &str) -> Self {
        let error = Self::new(Code::METHOD_NOT_ALLOWED);
        match HeaderValue::from_str(allowed) {
            Ok(value) => error.header(header::ALLOW, value),
            Err(_) => error,
        }
    }

    /// Notes what the log should say.
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// Says more about the last problem; see [`Problem::detail`].
    pub fn detail(self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.with_last(|problem| problem.detail(detail))
    }

    /// Points the last problem into the body.
    pub fn pointer(self, pointer: impl Into<String>) -> Self {
        self.with_last(|problem| problem.pointer(pointer))
    }

    /// Names the query parameter of the last problem.
    pub fn parameter(self, name: impl Into<String>) -> Self {
        self.with_last(|problem| problem.parameter(name))
    }

    /// Names the header of the last problem.
    pub fn in_header(self, name: &'static str) -> Self {
        self.with_last(|problem| problem.in_header(name))
    }

    /// Adds a fact for programs to the last problem.
    pub fn meta(self, name: &str, value: impl Into<Value>) -> Self {
        self.with_last(|problem| problem.meta(name, value))
    }

    fn with_last(mut self, change: impl FnOnce(Problem) -> Problem) -> Self {
        if let Some(last) = self.0.problems.pop() {
            self.0.problems.push(change(last));
        }
        self
    }

    /// Sends `Retry-After`, in whole seconds rounded up, at least one (RFC 9110 section 10.2.3).
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Sends one more header.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Sets, or clears, a cookie together with the error.
    pub fn cookie(self, cookie: &Cookie<'_>) -> Self {
        match HeaderValue::from_str(&cookie.to_string()) {
            Ok(value) => self.header(header::SET_COOKIE, value),
            Err(_) => self,
        }
    }

    /// The code of the first problem.
    pub fn code(&self) -> Code {
        self.0.problems.first().map_or(Code::INTERNAL, Problem::code)
    }

    /// Every problem.
    pub fn problems(&self) -> &[Problem] {
        &self.0.problems
    }

    /// What the log should say.
    pub fn log_cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The document, with `id` when the request's id is known.
    pub fn body(&self, request_id: Option<&str>, language: Language) -> Vec<u8> {
        let errors = self.0.problems.iter().map(|problem| ErrorObject::new(problem, request_id, language)).collect();
        serde_json::to_vec(&ErrorDocument { errors }).unwrap_or_default()
    }

    /// Every header the error brings, `Content-Type` included.
    fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> + '_ {
        let code = self.code();
        let own_challenge = self.0.headers.iter().any(|(name, _)| *name == header::WWW_AUTHENTICATE);
        let challenge = match code.status() {
            _ if own_challenge => None,
            StatusCode::UNAUTHORIZED if code.refuses_token() => Some(CHALLENGE_TOKEN),
            StatusCode::UNAUTHORIZED => Some(CHALLENGE),
            StatusCode::FORBIDDEN if code == Code::MFA_REQUIRED => Some(CHALLENGE_FACTOR),
            StatusCode::FORBIDDEN if code == Code::REAUTH_REQUIRED => Some(CHALLENGE_FRESH),
            _ => None,
        };
        let waits = matches!(code.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        let wait = self.0.retry_after.or_else(|| waits.then_some(RETRY_AFTER)).map(whole_seconds);
        [(header::CONTENT_TYPE, JSON_API)]
            .into_iter()
            .chain(challenge.map(|value| (header::WWW_AUTHENTICATE, value)))
            .chain(wait.map(|seconds| (header::RETRY_AFTER, HeaderValue::from(seconds))))
            .chain(self.0.headers.iter().cloned())
    }

    /// The whole answer.
    pub fn to_response(&self, request_id: Option<&str>, language: Language) -> HttpResponse {
        let mut response = HttpResponse::build(self.code().status());
        for header in self.headers() {
            response.append_header(header);
        }
        response.append_header((header::CONTENT_LANGUAGE, language.header()));
        response.body(self.body(request_id, language))
    }
}

/// Whole seconds, rounded up, at least one: a client that waits them is never early.
pub(super) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self(Box::new(Inner { problems: vec![problem], retry_after: None, headers: Vec::new(), cause: None }))
    }
}

impl From<Code> for ApiError {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code().as_str())
    }
}

impl std::error::Error for ApiError {}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.code().status()
    }

    // The edge middleware knows the request's id and language and renders the body again with them.
    fn error_response(&self) -> HttpResponse<BoxBody> {
        self.to_response(None, Language::default())
    }
}

#[derive(Serialize)]
struct ErrorDocument<'a> {
    errors: Vec<ErrorObject<'a>>,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    status: String,
    code: &'static str,
    title: &'static str,
    detail: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<SourceObject<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<&'a Map<String, Value>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum SourceObject<'a> {
    Pointer(&'a str),
    Parameter(&'a str),
    Header(&'a str),
}

impl<'a> ErrorObject<'a> {
    fn new(problem: &'a Problem, id: Option<&'a str>, language: Language) -> Self {
        Self {
            id,
            status: problem.code.status().as_u16().to_string(),
            code: problem.code.as_str(),
            title: problem.code.title(),
            detail: language.say(problem.code, problem.detail.as_deref()),
            source: problem.source.as_ref().map(|source| match source {
                Source::Pointer(text) => SourceObject::Pointer(text),
                Source::Parameter(name) => SourceObject::Parameter(name),
                Source::Header(name) => SourceObject::Header(name),
            }),
            meta: (!problem.meta.is_empty()).then_some(&problem.meta),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn header_of(error: &ApiError, name: HeaderName) -> Option<String> {
        let response = error.to_response(None, Language::English);
        response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn renders_every_problem_as_json_api() {
        let error = ApiError::many(vec![
            Problem::new(Code::WRONG_TYPE).detail("must be a string").pointer("/email").meta("expected", "string"),
            Problem::new(Code::MISSING_ATTRIBUTE).pointer("/password"),
        ])
        .unwrap();
        let document: Value = serde_json::from_slice(&error.body(Some("r1"), Language::English)).unwrap();
        assert_eq!(
            document,
            json!({"errors": [
                {"id": "r1", "status": "422", "code": "WRONG_TYPE", "title": "Wrong type", "detail": "must be a string",
                 "source": {"pointer": "/email"}, "meta": {"expected": "string"}},
                {"id": "r1", "status": "422", "code": "MISSING_ATTRIBUTE", "title": "Missing attribute",
                 "detail": "The route needs this attribute.",
                 "source": {"pointer": "/password"}},
            ]})
        );
        assert_eq!(header_of(&error, header::CONTENT_TYPE).unwrap(), "application/vnd.api+json");
        assert!(ApiError::many(Vec::new()).is_none());
    }

    #[test]
    fn challenges_follow_rfc_6750_and_9470() {
        for (code, challenge) in [
            (Code::TOKEN_MISSING, Some("Bearer realm=\"keystead\"")),
            (Code::INVALID_CREDENTIALS, Some("Bearer realm=\"keystead\"")),
            (Code::TOKEN_REVOKED, Some("Bearer realm=\"keystead\", error=\"invalid_token\"")),
            (
                Code::REAUTH_REQUIRED,
                Some("Bearer realm=\"keystead\", error=\"insufficient_user_authentication\", max_age=\"300\""),
            ),
            (
                Code::MFA_REQUIRED,
                Some("Bearer realm=\"keystead\", error=\"insufficient_user_authentication\", acr_values=\"mfa\""),
            ),
            (Code::FORBIDDEN, None),
        ] {
            assert_eq!(header_of(&code.into(), header::WWW_AUTHENTICATE).as_deref(), challenge, "{code}");
        }
        assert_eq!(keystead_domain::limits::REAUTH_WINDOW.as_secs(), 300, "max_age");
        let basic = HeaderValue::from_static("Basic realm=\"x\"");
        let own = ApiError::new(Code::OTP_INVALID).header(header::WWW_AUTHENTICATE, basic.clone());
        let own = own.to_response(None, Language::English);
        assert_eq!(own.headers().get_all(header::WWW_AUTHENTICATE).collect::<Vec<_>>(), [&basic], "the only one");
        for code in Code::ALL.iter().filter(|code| code.status() == StatusCode::UNAUTHORIZED) {
            assert!(header_of(&(*code).into(), header::WWW_AUTHENTICATE).is_some(), "{code}");
        }
    }

    #[test]
    fn whoever_must_wait_is_told_how_long() {
        let limited = ApiError::new(Code::RATE_LIMITED).retry_after(Duration::from_millis(2_001));
        assert_eq!(header_of(&limited, header::RETRY_AFTER).unwrap(), "3");
        assert_eq!(header_of(&Code::OVERLOADED.into(), header::RETRY_AFTER).unwrap(), "1");
        assert_eq!(header_of(&Code::NOT_FOUND.into(), header::RETRY_AFTER), None);
    }

    #[test]
    fn a_cause_is_for_the_log_alone() {
        let error = ApiError::internal("SELECT secret FROM users");
        assert_eq!(error.log_cause(), Some("SELECT secret FROM users"));
        assert!(!String::from_utf8(error.body(Some("r1"), Language::English)).unwrap().contains("SELECT"));
        assert_eq!(error.to_string(), "INTERNAL");
    }
}
