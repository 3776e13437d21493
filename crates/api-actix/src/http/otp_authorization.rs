//! `OTP-Authorization`: a proof of a second factor (`Bearer`), or the code that leads to one (`Basic`, RFC 7617).

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keystead_domain::SecretString;
use keystead_domain::account::UserId;
use keystead_domain::token::OneTimeCode;

use super::{ApiError, Code};

/// The header's name.
pub const OTP_AUTHORIZATION: &str = "otp-authorization";
/// The header's name as people write it.
const SHOWN: &str = "OTP-Authorization";
/// `WWW-Authenticate` of a refused or missing code (RFC 7617 section 2).
pub const BASIC_CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"keystead otp\", charset=\"UTF-8\"");
/// Longest header looked at, in bytes.
const MAX: usize = 4096;

/// What the header says.
enum Shown<'r> {
    Nothing,
    Bearer(&'r str),
    Basic(&'r str),
    Other,
}

fn read(req: &HttpRequest) -> Result<Shown<'_>, ApiError> {
    let mut values = req.headers().get_all(OTP_AUTHORIZATION);
    let Some(first) = values.next() else { return Ok(Shown::Nothing) };
    if values.next().is_some() {
        return Err(ApiError::new(Code::INVALID_HEADER).in_header(SHOWN));
    }
    let Some(text) = first.to_str().ok().filter(|text| text.len() <= MAX) else { return Ok(Shown::Other) };
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim_start_matches(' ');
    Ok(if scheme.eq_ignore_ascii_case("bearer") {
        Shown::Bearer(rest)
    } else if scheme.eq_ignore_ascii_case("basic") {
        Shown::Basic(rest)
    } else {
        Shown::Other
    })
}

/// The step-up proof of a request, if one is shown.
pub fn step_up_proof(req: &HttpRequest) -> Result<Option<SecretString>, ApiError> {
    Ok(match read(req)? {
        Shown::Bearer(token) if !token.is_empty() => Some(SecretString::new(token.to_owned())),
        _ => None,
    })
}

/// Whom the code is of and the code, each as far as it has the form of one.
pub struct OtpCredentials {
    /// The name part.
    pub user: Option<UserId>,
    /// The password part.
    pub code: Option<OneTimeCode>,
}

/// The code of a request. What is no credential at all is 401 with the challenge, and nothing is counted for it.
pub fn otp_credentials(req: &HttpRequest) -> Result<OtpCredentials, ApiError> {
    let refused = || ApiError::new(Code::OTP_INVALID);
    let Shown::Basic(text) = read(req)? else { return Err(refused()) };
    let bytes = STANDARD.decode(text).map_err(|_| refused())?;
    let text = SecretString::new(String::from_utf8(bytes).map_err(|_| refused())?);
    if text.expose().chars().any(char::is_control) {
        return Err(refused());
    }
    let (user, code) = text.expose().split_once(':').ok_or_else(refused)?;
    if user.is_empty() {
        return Err(refused());
    }
    Ok(OtpCredentials { user: UserId::parse(user), code: OneTimeCode::parse(code) })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const ADA: &str = "0001a5a5-a5a5-45a5-a5a5-a5a5a5a5a5a5";

    fn request(values: &[&str]) -> HttpRequest {
        let request = TestRequest::default();
        values
            .iter()
            .fold(request, |request, value| request.append_header((OTP_AUTHORIZATION, *value)))
            .to_http_request()
    }

    fn basic(text: impl AsRef<[u8]>) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn o11_what_is_no_credential_is_refused_before_anything_is_counted() {
        let refused = [
            String::new(),
            "Basic".into(),
            "Basic ".into(),
            "Basic !!!".into(),
            "Basic YQ".into(),
            "Digest username=a".into(),
            "Bearer abc".into(),
            basic("no colon"),
            basic(":123456"),
            basic(b"\xff\xfe:123456"),
            basic(format!("{ADA}:123\u{0}456")),
            basic(format!("{ADA}\r\n:123456")),
            format!("Basic {}", "A".repeat(MAX)),
        ];
        for value in refused {
            let error = otp_credentials(&request(&[&value])).err().map(|error| error.code());
            assert_eq!(error, Some(Code::OTP_INVALID), "{value:?}");
        }
        assert_eq!(otp_credentials(&request(&[])).err().map(|error| error.code()), Some(Code::OTP_INVALID));
        let twice = basic(format!("{ADA}:123456"));
        let error = otp_credentials(&request(&[&twice, &twice])).err().map(|error| error.code());
        assert_eq!(error, Some(Code::INVALID_HEADER));
    }

    #[test]
    fn o11_the_first_colon_parts_name_and_code_and_the_scheme_has_no_case() {
        for scheme in ["Basic", "basic", "BASIC"] {
            let value = basic(format!("{ADA}:000123")).replace("Basic", scheme);
            let shown = otp_credentials(&request(&[&value])).unwrap();
            assert_eq!(shown.user, UserId::parse(ADA));
            assert_eq!(shown.code.unwrap().expose(), "000123");
        }
        for (name, code) in [(ADA, "12:3456"), (ADA, "12345"), (ADA, "１２３４５６"), (ADA, " 123456"), ("ada", "x")]
        {
            let shown = otp_credentials(&request(&[&basic(format!("{name}:{code}"))])).unwrap();
            assert!(shown.code.is_none(), "{code:?}");
            assert_eq!(shown.user.is_some(), name == ADA);
        }
    }

    #[test]
    fn a_proof_is_a_bearer_token() {
        let proof = |value: &str| step_up_proof(&request(&[value])).unwrap().map(|token| token.expose().to_owned());
        assert_eq!(proof("bearer a.b.c").as_deref(), Some("a.b.c"));
        assert_eq!(proof("Bearer"), None);
        assert_eq!(proof(&basic("a:b")), None);
    }
}
