//! What a request shows of itself: the kind of client, its tokens and its cookies.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{FromRequest, HttpRequest};
use keystead_domain::SecretString;
use keystead_domain::token::{ClientKind, DeviceInfo};

use super::cookies::{CookieNames, is_keystead};
use super::remote::client_address;
use super::{ApiError, Code, HttpSettings};

/// Says what kind of client this is: `browser` (default) or `native`.
pub const CLIENT_KIND: &str = "keystead-client";
/// A native client's id (its fingerprint).
pub const CLIENT_ID: &str = "keystead-client-id";
/// Longest token or cookie looked at, in bytes.
const MAX_SECRET: usize = 4096;

/// Credentials as they stand in the request, nothing copied. The hot path uses these.
#[derive(Clone, Copy)]
pub struct ShownCredentials<'r> {
    /// What the client says it is.
    pub kind: ClientKind,
    /// The token of `Authorization: Bearer`.
    pub bearer: Option<&'r str>,
    /// The client id: from the cookie of a browser, from the header of a native client.
    pub client_id: Option<&'r str>,
    /// The refresh token of the cookie. A native client's is in the body.
    pub refresh: Option<&'r str>,
    /// The known-device token of the cookie. A native client's is in the body.
    pub device: Option<&'r str>,
}

impl<'r> ShownCredentials<'r> {
    /// Reads and checks the credentials of a request: no header or cookie twice, no kind mixed with the other's secrets.
    pub fn read(req: &'r HttpRequest) -> Result<Self, ApiError> {
        let names = HttpSettings::of(req).cookies();
        let headers = req.headers();
        let kind = match single(headers, CLIENT_KIND, "Keystead-Client")? {
            None => ClientKind::default(),
            Some(text) => ClientKind::parse(text)
                .ok_or_else(|| ApiError::new(Code::INVALID_HEADER).in_header("Keystead-Client"))?,
        };
        let own_id = single(headers, CLIENT_ID, "Keystead-Client-Id")?;
        let bearer = single(headers, header::AUTHORIZATION.as_str(), "Authorization")?.map(bearer).transpose()?;
        let cookies = ShownCookies::read(headers, names)?;
        match kind {
            ClientKind::Native if cookies.any => Err(mismatch("Cookie")),
            ClientKind::Browser if own_id.is_some() => Err(mismatch("Keystead-Client-Id")),
            ClientKind::Native => {
                Ok(Self { kind, bearer: bearer.flatten(), client_id: own_id, refresh: None, device: None })
            }
            ClientKind::Browser => Ok(Self {
                kind,
                bearer: bearer.flatten(),
                client_id: cookies.client,
                refresh: cookies.refresh,
                device: cookies.device,
            }),
        }
    }
}

/// Credentials of a request, owned; see [`ShownCredentials`].
#[derive(Debug, Clone)]
pub struct Credentials {
    /// What the client says it is.
    pub kind: ClientKind,
    /// The token of `Authorization: Bearer`.
    pub bearer: Option<SecretString>,
    /// The client id: from the cookie of a browser, from the header of a native client.
    pub client_id: Option<SecretString>,
    /// The refresh token of the cookie. A native client's is in the body.
    pub refresh: Option<SecretString>,
    /// The known-device token of the cookie. A native client's is in the body.
    pub device: Option<SecretString>,
    /// Address and user agent, as shown to the owner of a session.
    pub device_info: DeviceInfo,
}

impl Credentials {
    /// The access token, or 401 TOKEN_MISSING.
    pub fn require_bearer(&self) -> Result<&SecretString, ApiError> {
        self.bearer.as_ref().ok_or_else(|| Code::TOKEN_MISSING.into())
    }
}

impl FromRequest for Credentials {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let own = |text: Option<&str>| text.map(|text| SecretString::new(text.to_owned()));
        ready(ShownCredentials::read(req).map(|shown| Self {
            kind: shown.kind,
            bearer: own(shown.bearer),
            client_id: own(shown.client_id),
            refresh: own(shown.refresh),
            device: own(shown.device),
            device_info: device_info(req),
        }))
    }
}

/// Address and user agent of a request, fit to be stored and shown.
pub fn device_info(req: &HttpRequest) -> DeviceInfo {
    let user_agent = req.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    DeviceInfo::new(client_address(req).ip(), user_agent)
}

fn mismatch(source: &'static str) -> ApiError {
    ApiError::new(Code::CLIENT_KIND_MISMATCH).in_header(source)
}

/// A header that comes at most once and is plain text.
fn single<'r>(headers: &'r HeaderMap, name: &str, shown: &'static str) -> Result<Option<&'r str>, ApiError> {
    let mut values = headers.get_all(name);
    let Some(first) = values.next() else { return Ok(None) };
    match first.to_str() {
        Ok(text) if values.next().is_none() && !text.is_empty() => Ok(Some(text)),
        _ => Err(ApiError::new(Code::INVALID_HEADER).in_header(shown)),
    }
}

/// The token of a Bearer credential (RFC 6750 section 2.1); another scheme shows no token.
fn bearer(value: &str) -> Result<Option<&str>, ApiError> {
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let token = token.trim_start_matches(' ');
    let (body, padding) = token.split_at(token.find('=').unwrap_or(token.len()));
    let is_b64token = !body.is_empty()
        && body.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
        && padding.bytes().all(|b| b == b'=');
    if is_b64token && token.len() <= MAX_SECRET { Ok(Some(token)) } else { Err(Code::TOKEN_INVALID.into()) }
}

#[derive(Default)]
struct ShownCookies<'r> {
    any: bool,
    client: Option<&'r str>,
    refresh: Option<&'r str>,
    device: Option<&'r str>,
}

impl<'r> ShownCookies<'r> {
    /// Reads our cookies and steps over everybody else's, whatever bytes they hold.
    fn read(headers: &'r HeaderMap, names: &CookieNames) -> Result<Self, ApiError> {
        let mut found = Self::default();
        for line in headers.get_all(header::COOKIE) {
            for pair in line.as_bytes().split(|byte| *byte == b';') {
                let pair = pair.trim_ascii();
                let Some(at) = pair.iter().position(|byte| *byte == b'=') else { continue };
                let (name, value) = pair.split_at(at);
                if !is_keystead(name) {
                    continue;
                }
                found.any = true;
                let slot = match name {
                    name if name == names.client.as_bytes() => &mut found.client,
                    name if name == names.refresh.as_bytes() => &mut found.refresh,
                    name if name == names.device.as_bytes() => &mut found.device,
                    // A name of the other mode: without its prefix a cookie proves nothing about who set it.
                    _ => continue,
                };
                let value = value.get(1..).and_then(|value| std::str::from_utf8(value).ok());
                let value = value.filter(|value| !value.is_empty() && value.len() <= MAX_SECRET && is_plain(value));
                if value.is_none() || slot.is_some() {
                    return Err(ApiError::new(Code::INVALID_HEADER).in_header("Cookie"));
                }
                *slot = value;
            }
        }
        Ok(found)
    }
}

fn is_plain(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use actix_web::web::Data;

    use super::*;

    fn request(headers: &[(&str, &str)], secure: bool) -> HttpRequest {
        let settings = HttpSettings { secure, ..HttpSettings::default() };
        let request = TestRequest::default().app_data(Data::new(settings));
        headers.iter().fold(request, |request, header| request.append_header(*header)).to_http_request()
    }

    fn refusal(headers: &[(&str, &str)]) -> Option<Code> {
        ShownCredentials::read(&request(headers, true)).err().map(|error| error.code())
    }

    #[test]
    fn a_browser_shows_secrets_in_cookies() {
        let cookies = "theme=\u{e9}; __Host-keystead-client=cid; __Secure-keystead-refresh=ksr_a.b.1.c;__Host-keystead-device=dev";
        let req = request(&[("Authorization", "bEaReR abc.def-_"), ("Cookie", cookies)], true);
        let shown = ShownCredentials::read(&req).unwrap();
        assert_eq!(shown.kind, ClientKind::Browser);
        assert_eq!(shown.bearer, Some("abc.def-_"));
        assert_eq!((shown.client_id, shown.refresh, shown.device), (Some("cid"), Some("ksr_a.b.1.c"), Some("dev")));
    }

    #[test]
    fn a_native_client_shows_them_in_headers() {
        let req = request(&[("Keystead-Client", "native"), ("Keystead-Client-Id", "cid")], true);
        let shown = ShownCredentials::read(&req).unwrap();
        assert_eq!((shown.kind, shown.client_id, shown.bearer), (ClientKind::Native, Some("cid"), None));
    }

    #[test]
    fn cookies_without_their_prefix_count_over_dev_http_only() {
        let cookie = [("Cookie", "keystead-client=cid; keystead-refresh=r")];
        let (dev, real) = (request(&cookie, false), request(&cookie, true));
        assert_eq!(ShownCredentials::read(&dev).unwrap().client_id, Some("cid"));
        assert_eq!(ShownCredentials::read(&real).unwrap().client_id, None);
        let prefixed = request(&[("Cookie", "__Host-keystead-client=cid")], false);
        assert_eq!(ShownCredentials::read(&prefixed).unwrap().client_id, None);
    }

    #[test]
    fn mixed_doubled_and_malformed_credentials_are_refused() {
        let native = ("Keystead-Client", "native");
        for (headers, code) in [
            (vec![native, ("Cookie", "__Host-keystead-client=c")], Code::CLIENT_KIND_MISMATCH),
            (vec![native, ("Cookie", "a=b; keystead-device=c")], Code::CLIENT_KIND_MISMATCH),
            (vec![("Keystead-Client-Id", "c")], Code::CLIENT_KIND_MISMATCH),
            (vec![("Keystead-Client", "Native")], Code::INVALID_HEADER),
            (vec![native, native], Code::INVALID_HEADER),
            (vec![("Authorization", "Bearer a"), ("Authorization", "Bearer a")], Code::INVALID_HEADER),
            (vec![("Authorization", "Bearer a"), ("authorization", "Basic b")], Code::INVALID_HEADER),
            (vec![("Authorization", "Bearer")], Code::TOKEN_INVALID),
            (vec![("Authorization", "Bearer a b")], Code::TOKEN_INVALID),
            (vec![("Authorization", "Bearer a,b")], Code::TOKEN_INVALID),
            (vec![("Authorization", "Bearer a=b")], Code::TOKEN_INVALID),
            (vec![("Cookie", "__Host-keystead-client=a; __Host-keystead-client=a")], Code::INVALID_HEADER),
            (
                vec![("Cookie", "__Secure-keystead-refresh=a"), ("Cookie", "__Secure-keystead-refresh=b")],
                Code::INVALID_HEADER,
            ),
            (vec![("Cookie", "__Host-keystead-client=\"a\"")], Code::INVALID_HEADER),
            (vec![("Cookie", "__Host-keystead-client=")], Code::INVALID_HEADER),
        ] {
            assert_eq!(refusal(&headers), Some(code), "{headers:?}");
        }
        let long = format!("Bearer {}", "a".repeat(MAX_SECRET + 1));
        assert_eq!(refusal(&[("Authorization", &long)]), Some(Code::TOKEN_INVALID));
    }

    #[test]
    fn another_scheme_is_no_token() {
        let req = request(&[("Authorization", "Basic dXNlcjpwYXNz")], true);
        assert_eq!(ShownCredentials::read(&req).unwrap().bearer, None);
        assert_eq!(refusal(&[("Cookie", "__host-keystead-client=a")]), None);
    }

    #[actix_web::test]
    async fn owned_credentials_hide_their_secrets() {
        let req = request(&[("Authorization", "Bearer topsecret"), ("User-Agent", "curl/8")], true);
        let credentials = Credentials::extract(&req).await.unwrap();
        assert_eq!(credentials.require_bearer().unwrap().expose(), "topsecret");
        assert_eq!(credentials.device_info.user_agent.as_deref(), Some("curl/8"));
        assert!(!format!("{credentials:?}").contains("topsecret"));
        let nothing = Credentials::extract(&request(&[], true)).await.unwrap();
        assert_eq!(nothing.require_bearer().unwrap_err().code(), Code::TOKEN_MISSING);
    }
}
