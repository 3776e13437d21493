//! Query strings: every parameter once, none unknown.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use super::{ApiError, Code, Problem};

/// Most parameters looked at; looking for repeated names is quadratic.
const MAX_PARAMETERS: usize = 32;
/// Longest query string, in bytes.
const MAX_QUERY: usize = 4096;
/// Longest cursor, in bytes.
const MAX_CURSOR: usize = 512;

/// The parameters of a query string while they are being read.
#[derive(Debug, Default)]
pub struct Params {
    entries: Vec<(String, String)>,
    problems: Vec<Problem>,
}

impl Params {
    /// Reads a query string (`application/x-www-form-urlencoded`). No name may come twice, however it is encoded.
    pub fn parse(query: &str) -> Result<Self, ApiError> {
        let mut params = Self::default();
        if query.len() > MAX_QUERY {
            return Err(Code::URI_TOO_LONG.into());
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            if params.entries.len() == MAX_PARAMETERS {
                return Err(ApiError::new(Code::INVALID_PARAMETER).detail("too many query parameters"));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(name), Some(value)) = (decode(name), decode(value)) else {
                return Err(
                    ApiError::new(Code::INVALID_PARAMETER).detail("the query string is not percent-encoded UTF-8")
                );
            };
            if params.entries.iter().any(|(known, _)| *known == name) {
                return Err(ApiError::new(Code::DUPLICATE_PARAMETER).parameter(shown(&name)));
            }
            params.entries.push((name, value));
        }
        Ok(params)
    }

    /// Takes a parameter that may be absent.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let index = self.entries.iter().position(|(known, _)| known == name)?;
        Some(self.entries.swap_remove(index).1)
    }

    /// Takes a switch: `true` or `false`, absent is `false`.
    pub fn take_flag(&mut self, name: &str) -> bool {
        match self.take(name).as_deref() {
            Some("true") => true,
            None | Some("false") => false,
            Some(_) => {
                self.refuse(name, "must be true or false");
                false
            }
        }
    }

    /// Notes that a parameter has a value it cannot have.
    pub fn refuse(&mut self, name: &str, detail: &'static str) {
        self.problems.push(Problem::new(Code::INVALID_PARAMETER).detail(detail).parameter(name));
    }

    /// Refuses what nobody took.
    fn finish(mut self) -> Result<(), ApiError> {
        let unknown = |(name, _): &(String, String)| Problem::new(Code::UNKNOWN_PARAMETER).parameter(shown(name));
        self.problems.extend(self.entries.iter().map(unknown));
        ApiError::many(self.problems).map_or(Ok(()), Err)
    }
}

/// A name as it may be shown in an error.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// Undoes percent-encoding; `None` when it is broken or hides something that is not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| value.try_into().ok())
}

/// A route's query parameters. `read` takes what it knows; whatever is left is refused.
pub trait Query: Sized {
    /// Takes the parameters; a value that cannot be is noted with [`Params::refuse`] and replaced by any other.
    fn read(params: &mut Params) -> Self;
}

/// The query parameters of a request.
#[derive(Debug)]
pub struct ApiQuery<T>(pub T);

/// No query parameters at all.
pub type NoQuery = ApiQuery<()>;

impl Query for () {
    fn read(_: &mut Params) -> Self {}
}

impl<T: Query> FromRequest for ApiQuery<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let read = |mut params: Params| {
            let value = T::read(&mut params);
            params.finish().map(|()| Self(value))
        };
        ready(Params::parse(req.query_string()).and_then(read))
    }
}

/// Which part of a list: `page[size]` (1 to 100, default 20) and the cursor `page[after]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// How many.
    pub size: u32,
    /// After which; opaque to clients.
    pub after: Option<String>,
}

impl Query for Page {
    fn read(params: &mut Params) -> Self {
        let size = match params.take("page[size]").as_deref().map(page_size) {
            None => 20,
            Some(Some(size)) => size,
            Some(None) => {
                params.refuse("page[size]", "must be 1 to 100");
                20
            }
        };
        let after = params.take("page[after]");
        if after.as_ref().is_some_and(|cursor| cursor.is_empty() || cursor.len() > MAX_CURSOR) {
            params.refuse("page[after]", "is no cursor of this list");
        }
        Self { size, after }
    }
}

fn page_size(text: &str) -> Option<u32> {
    let canonical = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|size| canonical && (1..=100).contains(size))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    struct Logout {
        all: bool,
    }

    impl Query for Logout {
        fn read(params: &mut Params) -> Self {
            Self { all: params.take_flag("all") }
        }
    }

    async fn read<T: Query>(query: &str) -> Result<T, Vec<Code>> {
        let req = TestRequest::with_uri(&format!("/x?{query}")).to_http_request();
        let codes = |error: ApiError| error.problems().iter().map(Problem::code).collect();
        ApiQuery::extract(&req).await.map(|ApiQuery(value)| value).map_err(codes)
    }

    #[actix_web::test]
    async fn pages_have_bounds_and_defaults() {
        for (query, size, after) in [
            ("", 20, None),
            ("page[size]=1", 1, None),
            ("page%5Bsize%5D=100&page%5Bafter%5D=a%2Bb+c", 100, Some("a+b c")),
        ] {
            assert_eq!(read::<Page>(query).await.unwrap(), Page { size, after: after.map(str::to_owned) });
        }
        for query in [
            "page[size]=0",
            "page[size]=101",
            "page[size]=-1",
            "page[size]=1.0",
            "page[size]=",
            "page[size]=020",
            "page[size]=99999999999",
            "page[after]=",
        ] {
            assert_eq!(read::<Page>(query).await.unwrap_err(), [Code::INVALID_PARAMETER], "{query}");
        }
    }

    #[actix_web::test]
    async fn h01_parameters_come_once_and_are_known() {
        for (query, expected) in [
            ("a=1&a=2", Code::DUPLICATE_PARAMETER),
            ("page[size]=1&page%5Bsize%5D=1", Code::DUPLICATE_PARAMETER),
            ("%61=1&a=2", Code::DUPLICATE_PARAMETER),
            ("page[]=1", Code::UNKNOWN_PARAMETER),
            ("page[size][]=1", Code::UNKNOWN_PARAMETER),
            ("Page[size]=1", Code::UNKNOWN_PARAMETER),
            ("x", Code::UNKNOWN_PARAMETER),
            ("a=%", Code::INVALID_PARAMETER),
            ("a=%zz", Code::INVALID_PARAMETER),
            ("a=%ff", Code::INVALID_PARAMETER),
            ("a=%+1", Code::INVALID_PARAMETER),
        ] {
            assert_eq!(read::<Page>(query).await.unwrap_err(), [expected], "{query}");
        }
        let many: Vec<String> = (0..10_000).map(|n| format!("p{n}=")).collect();
        assert_eq!(Params::parse(&many.join("&")).unwrap_err().code(), Code::URI_TOO_LONG);
        assert_eq!(Params::parse(&many[..33].join("&")).unwrap_err().code(), Code::INVALID_PARAMETER);
        assert_eq!(
            read::<Page>("page[size]=0&x=1&y=2").await.unwrap_err(),
            [Code::INVALID_PARAMETER, Code::UNKNOWN_PARAMETER, Code::UNKNOWN_PARAMETER]
        );
        assert!(read::<()>("").await.is_ok());
        assert_eq!(read::<()>("a=1").await.unwrap_err(), [Code::UNKNOWN_PARAMETER]);
    }

    #[actix_web::test]
    async fn switches_are_true_or_false() {
        assert!(read::<Logout>("all=true").await.unwrap().all);
        assert!(!read::<Logout>("all=false").await.unwrap().all);
        assert!(!read::<Logout>("").await.unwrap().all);
        assert_eq!(read::<Logout>("all=1").await.err().unwrap(), [Code::INVALID_PARAMETER]);
    }
}
