//! Reading request bodies: nothing is read that was refused by its headers, and nothing longer than the route takes.

use std::ops::Deref;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::{Method, header};
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt as _;
use futures_util::future::{Either, LocalBoxFuture, Ready, ready};
use keystead_domain::limits::{BODY_BYTES, BODY_TIMEOUT};
use zeroize::Zeroizing;

use super::check::Check;
use super::dto::{Attributes, Dto};
use super::json::{self, Json};
use super::pointers::{Pointers, escape};
use crate::http::media::MediaType;
use crate::http::{ApiError, Code, Problem};

/// What a route takes; `app_data` of a resource, else the default of [`keystead_domain::limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// Largest body, in bytes.
    pub bytes: usize,
    /// Time for the whole body to arrive.
    pub timeout: Duration,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self { bytes: BODY_BYTES, timeout: BODY_TIMEOUT }
    }
}

/// A route takes no larger bodies than this many bytes, however large the deployment lets others be; `app_data` of a
/// resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyCap(pub usize);

/// A request body that was read, checked and understood.
#[derive(Debug)]
pub struct ApiBody<T> {
    value: T,
    at: Pointers,
}

impl<T> ApiBody<T> {
    /// Starts turning attributes into domain types.
    pub fn check(&self) -> Check {
        Check::new(self.at)
    }

    /// Where the attributes lie, for errors found after the body is gone.
    pub const fn pointers(&self) -> Pointers {
        self.at
    }

    /// The attributes.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for ApiBody<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Dto + 'static> FromRequest for ApiBody<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        match Reading::start(req, payload) {
            Ok(reading) => Box::pin(reading.finish()),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }
}

/// A body a route can do without: `None` when nothing was sent.
#[derive(Debug)]
pub struct OptionalBody<T>(pub Option<ApiBody<T>>);

impl<T: Dto + 'static> FromRequest for OptionalBody<T> {
    type Error = ApiError;
    type Future = Either<Ready<Result<Self, ApiError>>, LocalBoxFuture<'static, Result<Self, ApiError>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if !has_body(req) {
            return Either::Left(ready(Ok(Self(None))));
        }
        match Reading::start(req, payload) {
            Ok(reading) => Either::Right(Box::pin(async move { Ok(Self(Some(reading.finish().await?))) })),
            Err(error) => Either::Left(ready(Err(error))),
        }
    }
}

/// No body, or an empty object for clients that always send one. Anything else is refused.
#[derive(Clone, Copy, Debug)]
pub struct NoBody;

impl FromRequest for NoBody {
    type Error = ApiError;
    type Future = Either<Ready<Result<Self, ApiError>>, LocalBoxFuture<'static, Result<Self, ApiError>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if !has_body(req) {
            return Either::Left(ready(Ok(Self)));
        }
        match Reading::start(req, payload) {
            Ok(reading) => Either::Right(Box::pin(reading.expect_nothing())),
            Err(error) => Either::Left(ready(Err(error))),
        }
    }
}

/// The bytes of a body as they came, with the cap and the timeout but no look at their type; for hashing and for other
/// formats. The media type is the handler's to check.
#[derive(Debug)]
pub struct RawBody(pub Zeroizing<Vec<u8>>);

impl FromRequest for RawBody {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let limits = limits(req);
        if let Err(error) = check_length(req, limits).and_then(|()| check_encoding(req)) {
            return Box::pin(ready(Err(error)));
        }
        let payload = payload.take();
        Box::pin(async move { Ok(Self(read_all(payload, limits).await?)) })
    }
}

fn limits(req: &HttpRequest) -> BodyLimits {
    let limits = req.app_data::<BodyLimits>().copied().unwrap_or_default();
    let cap = req.app_data::<BodyCap>().map_or(usize::MAX, |cap| cap.0);
    BodyLimits { bytes: limits.bytes.min(cap), ..limits }
}

/// Whether the message has a body at all (RFC 9112 section 6).
fn has_body(req: &HttpRequest) -> bool {
    req.headers().contains_key(header::TRANSFER_ENCODING)
        || req.headers().get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0")
}

/// A body whose headers were accepted.
struct Reading {
    payload: Payload,
    limits: BodyLimits,
    at: Pointers,
    /// What the path names, where the body is about the same (JSON:API 1.1, updating resources).
    id: Option<String>,
}

impl Reading {
    fn start(req: &HttpRequest, payload: &mut Payload) -> Result<Self, ApiError> {
        let limits = limits(req);
        check_length(req, limits)?;
        check_encoding(req)?;
        let id = (req.method() == Method::PATCH).then(|| req.match_info().get("id").map(str::to_owned)).flatten();
        Ok(Self { at: shape(req)?, limits, payload: payload.take(), id })
    }

    async fn json(self) -> Result<Json, ApiError> {
        let bytes = read_all(self.payload, self.limits).await?;
        json::parse(&bytes).map_err(|reason| ApiError::new(Code::BAD_JSON).detail(reason))
    }

    async fn finish<T: Dto>(self) -> Result<ApiBody<T>, ApiError> {
        let (at, id) = (self.at, self.id.clone());
        let json = self.json().await?;
        let members = match at {
            Pointers::Bare => object(json, "")?,
            Pointers::Document => attributes_of(json, T::TYPE, id.as_deref())?,
        };
        match Attributes::new(members, at).read() {
            Ok(value) => Ok(ApiBody { value, at }),
            Err(problems) => Err(refused(problems)),
        }
    }

    async fn expect_nothing(self) -> Result<NoBody, ApiError> {
        let bytes = read_all(self.payload, self.limits).await?;
        if bytes.is_empty() {
            return Ok(NoBody);
        }
        let json = json::parse(&bytes).map_err(|reason| ApiError::new(Code::BAD_JSON).detail(reason))?;
        let problems = unknown(&object(json, "")?, "");
        ApiError::many(problems).map_or(Ok(NoBody), Err)
    }
}

fn refused(problems: Vec<Problem>) -> ApiError {
    ApiError::many(problems).unwrap_or_else(|| ApiError::internal("a body was refused without a problem noted"))
}

fn check_length(req: &HttpRequest, limits: BodyLimits) -> Result<(), ApiError> {
    let Some(length) = req.headers().get(header::CONTENT_LENGTH) else { return Ok(()) };
    let digits = length.to_str().ok().filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
    match digits.map(str::parse::<usize>) {
        Some(Ok(length)) if length <= limits.bytes => Ok(()),
        Some(_) => Err(too_large(limits)),
        None => Err(ApiError::new(Code::INVALID_HEADER).in_header("Content-Length")),
    }
}

fn too_large(limits: BodyLimits) -> ApiError {
    ApiError::new(Code::PAYLOAD_TOO_LARGE).meta("maxBytes", limits.bytes)
}

/// Compressed bodies are refused: 64 KiB of them unpack to anything.
fn check_encoding(req: &HttpRequest) -> Result<(), ApiError> {
    match req.headers().get(header::CONTENT_ENCODING) {
        Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            let identity = header::HeaderValue::from_static("identity");
            Err(ApiError::new(Code::UNSUPPORTED_MEDIA_TYPE)
                .in_header("Content-Encoding")
                .header(header::ACCEPT_ENCODING, identity))
        }
        _ => Ok(()),
    }
}

fn shape(req: &HttpRequest) -> Result<Pointers, ApiError> {
    let sent = req.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    match sent.and_then(MediaType::parse) {
        Some(media) if media.is_utf8_json() => Ok(Pointers::Bare),
        Some(media) if media.is_plain_json_api() && media.parameter("q").is_none() => Ok(Pointers::Document),
        _ => Err(ApiError::new(Code::UNSUPPORTED_MEDIA_TYPE).in_header("Content-Type")),
    }
}

/// The whole body; the buffer is wiped, since bodies carry passwords.
async fn read_all(mut payload: Payload, limits: BodyLimits) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    let read = async {
        let mut body = Zeroizing::new(Vec::new());
        while let Some(chunk) = payload.next().await {
            let chunk: Bytes = chunk.map_err(|error| ApiError::new(Code::BAD_REQUEST).cause(error))?;
            if body.len() + chunk.len() > limits.bytes {
                return Err(too_large(limits));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    };
    match tokio::time::timeout(limits.timeout, read).await {
        Ok(body) => body,
        Err(_) => Err(Code::REQUEST_TIMEOUT.into()),
    }
}

fn object(json: Json, pointer: &str) -> Result<Vec<(String, Json)>, ApiError> {
    match json {
        Json::Object(members) => Ok(members),
        _ => Err(ApiError::new(Code::WRONG_TYPE).detail("must be an object").pointer(pointer)),
    }
}

fn unknown(members: &[(String, Json)], prefix: &str) -> Vec<Problem> {
    let problem = |name: &str| Problem::new(Code::UNKNOWN_ATTRIBUTE).pointer(format!("{prefix}/{}", escape(name)));
    members.iter().map(|(name, _)| problem(name)).collect()
}

fn take(members: &mut Vec<(String, Json)>, name: &str) -> Option<Json> {
    let index = members.iter().position(|(known, _)| known == name)?;
    Some(members.swap_remove(index).1)
}

/// The attributes of `{"data":{"type","id"?,"attributes"?},"jsonapi"?}` (JSON:API 1.1, document structure).
fn attributes_of(json: Json, expected: &'static str, id: Option<&str>) -> Result<Vec<(String, Json)>, ApiError> {
    let mut document = object(json, "")?;
    let data = take(&mut document, "data");
    let _ = take(&mut document, "jsonapi");
    let mut problems = unknown(&document, "");
    let Some(data) = data else {
        problems.push(Problem::new(Code::MISSING_ATTRIBUTE).pointer("/data"));
        return Err(refused(problems));
    };
    let mut data = object(data, "/data")?;
    let attributes = take(&mut data, "attributes");
    match take(&mut data, "id") {
        Some(Json::String(found)) if id.is_some_and(|id| id != found) => {
            let detail = "the id must be that of the path";
            return Err(ApiError::new(Code::ID_CONFLICT).detail(detail).pointer("/data/id"));
        }
        Some(Json::String(_)) | None => {}
        Some(_) => problems.push(Problem::new(Code::WRONG_TYPE).detail("must be a string").pointer("/data/id")),
    }
    match take(&mut data, "type") {
        Some(Json::String(found)) if found == expected => {}
        Some(Json::String(_)) => {
            let detail = format!("the type must be \"{expected}\"");
            return Err(ApiError::new(Code::TYPE_CONFLICT).detail(detail).pointer("/data/type"));
        }
        Some(_) => problems.push(Problem::new(Code::WRONG_TYPE).detail("must be a string").pointer("/data/type")),
        None => problems.push(Problem::new(Code::MISSING_ATTRIBUTE).pointer("/data/type")),
    }
    problems.extend(unknown(&data, "/data"));
    if let Some(error) = ApiError::many(problems) {
        return Err(error);
    }
    attributes.map_or(Ok(Vec::new()), |json| object(json, "/data/attributes"))
}
