//! The closed list of error codes. `docs/api-errors.md` is generated from it.

use std::fmt;
use std::fmt::Write as _;

use actix_web::http::StatusCode;

macro_rules! codes {
    ($($name:ident = $status:ident, $title:literal, $meaning:literal;)*) => {
        /// What went wrong, in a word a program can compare. Each code has one status and never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(non_camel_case_types, reason = "the names are the wire names, so that one search finds both")]
        pub enum Code {
            $(#[doc = $meaning] $name,)*
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The `code` member.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The one status it goes with.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// The `title` member: the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// What it means and what a client does about it.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

codes! {
    BAD_REQUEST = BAD_REQUEST, "Bad request", "The request is not well-formed HTTP.";
    BAD_HOST = BAD_REQUEST, "Bad Host header", "The Host header is missing or is no host name.";
    BAD_JSON = BAD_REQUEST, "Bad JSON", "The body is not one strict JSON text: malformed, not UTF-8, nested too deep, a name twice in an object, or a number too large.";
    INVALID_HEADER = BAD_REQUEST, "Invalid header", "A header has a value it cannot have, or comes twice.";
    INVALID_PARAMETER = BAD_REQUEST, "Invalid parameter", "A query parameter has a value it cannot have.";
    DUPLICATE_PARAMETER = BAD_REQUEST, "Duplicate parameter", "A query parameter comes twice.";
    UNKNOWN_PARAMETER = BAD_REQUEST, "Unknown parameter", "The route knows no such query parameter.";
    CLIENT_KIND_MISMATCH = BAD_REQUEST, "Client kind mismatch", "A native client sent a cookie, a browser sent a secret in a header, or the session belongs to the other kind of client.";
    TOKEN_MISSING = UNAUTHORIZED, "Token missing", "The route needs an access token in the Authorization header.";
    TOKEN_INVALID = UNAUTHORIZED, "Token invalid", "The token is not one this route accepts.";
    TOKEN_EXPIRED = UNAUTHORIZED, "Token expired", "The token's time is over; refresh.";
    TOKEN_REVOKED = UNAUTHORIZED, "Token revoked", "The token, its session or its user's tokens were revoked.";
    FINGERPRINT_MISMATCH = UNAUTHORIZED, "Fingerprint mismatch", "The client id shown is not the one the token was issued to.";
    INVALID_CREDENTIALS = UNAUTHORIZED, "Invalid credentials", "Identity and password do not belong together.";
    SRP_INVALID = UNAUTHORIZED, "SRP proof refused", "The proof is wrong, or the challenge was used, is too old, or is of another account; ask for another challenge.";
    CODE_INVALID = UNAUTHORIZED, "Code invalid", "The one-time code is wrong, too old, or was tried too often.";
    OTP_INVALID = UNAUTHORIZED, "Second factor invalid", "The code is wrong, too old, was used, was tried too often, or is of another flow.";
    WEBAUTHN_INVALID = UNAUTHORIZED, "Passkey refused", "The passkey's answer is not of this ceremony, this person or this site, or its counter went back.";
    SOCIAL_INVALID = UNAUTHORIZED, "Answer of a provider refused", "The state is unknown, used, too old or of another client, session or provider, or the provider's answer does not check out; begin again.";
    LINK_INVALID = UNAUTHORIZED, "Link invalid", "The link is unknown, used, or too old.";
    REFRESH_INVALID = UNAUTHORIZED, "Refresh token invalid", "There is no refresh token, or it is not one of ours.";
    REFRESH_EXPIRED = UNAUTHORIZED, "Refresh token expired", "The session's time is over; sign in again.";
    REFRESH_REUSED = UNAUTHORIZED, "Refresh token reused", "An old refresh token was shown again; the session has been ended.";
    SESSION_ENDED = UNAUTHORIZED, "Session ended", "The session has ended; sign in again.";
    ACCOUNT_INACTIVE = FORBIDDEN, "Account inactive", "The account is switched off.";
    CSRF_ORIGIN = FORBIDDEN, "Origin refused", "A route that trusts cookies was called from an origin that is not on the list.";
    MFA_REQUIRED = FORBIDDEN, "Second factor required", "The route needs a second factor: POST and PUT /api/v1/auth/otp, or POST /api/v1/auth/otp/passkey, then repeat the request with OTP-Authorization: Bearer. At a reset, POST /api/v1/auth/login/code.";
    REAUTH_REQUIRED = FORBIDDEN, "Fresh sign-in required", "The route needs a recent proof of identity; POST /api/v1/auth/reauth and repeat the request.";
    FORBIDDEN = FORBIDDEN, "Forbidden", "The user may not do this.";
    IMPERSONATION_FORBIDDEN = FORBIDDEN, "Impersonation forbidden", "This account cannot be acted as: it is an administrator's, closed, or one's own; or the route is not used in somebody else's name.";
    PASSWORD_WRONG = FORBIDDEN, "Wrong password", "The current password is wrong.";
    PASSWORDLESS_DISABLED = FORBIDDEN, "Passwordless sign-in disabled", "This service signs nobody in by a code alone.";
    REGISTRATION_CLOSED = FORBIDDEN, "Registration closed", "This service does not take registrations.";
    NOT_FOUND = NOT_FOUND, "Not found", "There is no such resource, or it belongs to somebody else.";
    METHOD_NOT_ALLOWED = METHOD_NOT_ALLOWED, "Method not allowed", "The resource has no such method; the Allow header lists those it has.";
    NOT_ACCEPTABLE = NOT_ACCEPTABLE, "Not acceptable", "The Accept header allows nothing this route can answer with.";
    REQUEST_TIMEOUT = REQUEST_TIMEOUT, "Request timeout", "The body did not arrive in time.";
    TYPE_CONFLICT = CONFLICT, "Type conflict", "The type member of the document is not the type this route takes.";
    ID_CONFLICT = CONFLICT, "Identifier conflict", "The id member of the document is not that of the path.";
    EMAIL_TAKEN = CONFLICT, "E-mail address taken", "Another account has this address. Only administrators are told.";
    PHONE_TAKEN = CONFLICT, "Phone number taken", "Another account has this number. Only administrators are told.";
    OWN_ACCOUNT = CONFLICT, "Own account", "Administrators do this to other accounts only.";
    LAST_ADMINISTRATOR = CONFLICT, "Last administrator", "Nobody of this role would be left; make another administrator first.";
    MESSAGE_DEAD = CONFLICT, "Message dead", "The message expired or was given up; it has no contents any more.";
    CAPTCHA_NOT_USED = CONFLICT, "Captcha not used", "This service asks for no captcha before that; go on without one.";
    ALREADY_CHECKED_IN = CONFLICT, "Already checked in", "The person checked in today already; GET /api/v1/attendance/status tells how the day stands.";
    ALREADY_CHECKED_OUT = CONFLICT, "Already checked out", "The person checked out of today already.";
    NOT_CHECKED_IN = CONFLICT, "Not checked in", "The person has not checked in today, and is not in since yesterday.";
    USERNAME_TAKEN = CONFLICT, "Username taken", "Another account has this username; choose another.";
    FACTOR_NOT_OFFERED = CONFLICT, "Factor not offered", "The sign-in takes other factors; tfaOptions names them.";
    FACTOR_NOT_AVAILABLE = CONFLICT, "Factor not available", "The person has no such factor or enrolled a stronger one, or the service does not offer it.";
    LAST_FACTOR = CONFLICT, "Last factor", "This is the last factor, and one is needed; add another first.";
    LAST_WAY_IN = CONFLICT, "Last way in", "Nothing else opens the account; set a password or add a passkey first.";
    SOCIAL_TAKEN = CONFLICT, "Account elsewhere taken", "This account elsewhere opens another account, or another one of that provider opens this account; unlink first.";
    SOCIAL_LINK_NEEDED = CONFLICT, "Link needed", "This account is not opened by an address alone; sign in another way and link the account elsewhere there.";
    LAST_CONTACT = CONFLICT, "Last contact", "This is the last contact; add another first.";
    SRP_EXISTS = CONFLICT, "SRP credential exists", "The account has an SRP credential; PATCH /api/v1/auth/password replaces it.";
    PASSKEY_EXISTS = CONFLICT, "Passkey exists", "This passkey is registered already.";
    TOO_MANY_PASSKEYS = CONFLICT, "Too many passkeys", "There are as many passkeys as there may be; remove one first.";
    IDEMPOTENCY_IN_PROGRESS = CONFLICT, "Request in progress", "A request with this Idempotency-Key is being served; repeat it later.";
    OTP_USED = GONE, "Code used", "The one-time code was used before.";
    PAYLOAD_TOO_LARGE = PAYLOAD_TOO_LARGE, "Payload too large", "The body is larger than the route takes.";
    UNSUPPORTED_MEDIA_TYPE = UNSUPPORTED_MEDIA_TYPE, "Unsupported media type", "The body must be application/vnd.api+json or application/json, in UTF-8, not compressed.";
    URI_TOO_LONG = URI_TOO_LONG, "URI too long", "The path or the query string is longer than any route takes.";
    HEADERS_TOO_LARGE = REQUEST_HEADER_FIELDS_TOO_LARGE, "Headers too large", "The headers are larger than 16 KiB together.";
    VALIDATION_FAILED = UNPROCESSABLE_ENTITY, "Validation failed", "A value breaks a rule.";
    UNKNOWN_ATTRIBUTE = UNPROCESSABLE_ENTITY, "Unknown attribute", "The route knows no such attribute.";
    MISSING_ATTRIBUTE = UNPROCESSABLE_ENTITY, "Missing attribute", "The route needs this attribute.";
    WRONG_TYPE = UNPROCESSABLE_ENTITY, "Wrong type", "The attribute has another JSON type.";
    PASSWORD_TOO_SHORT = UNPROCESSABLE_ENTITY, "Password too short", "The password has fewer characters than the policy asks for.";
    PASSWORD_TOO_LONG = UNPROCESSABLE_ENTITY, "Password too long", "The password has more than 128 characters.";
    PASSWORD_COMMON = UNPROCESSABLE_ENTITY, "Password too common", "The password is among the common or breached ones.";
    PASSWORD_OWN_WORDS = UNPROCESSABLE_ENTITY, "Password is an own word", "The password is the person's own name or address.";
    INVALID_EMAIL = UNPROCESSABLE_ENTITY, "Invalid e-mail address", "The value is no e-mail address of the form name@example.com.";
    INVALID_SRP_VALUE = UNPROCESSABLE_ENTITY, "Invalid SRP value", "The value is no lower-case hexadecimal number of its length, is out of the group's range, or is a salt that begins with a zero byte.";
    INVALID_KDF = UNPROCESSABLE_ENTITY, "Invalid key derivation", "The scrypt parameters are below the floor, or more than a client can be asked for.";
    INVALID_PHONE = UNPROCESSABLE_ENTITY, "Invalid phone number", "The value is no phone number with + and country code.";
    SOCIAL_NO_ADDRESS = UNPROCESSABLE_ENTITY, "No address", "The provider tells no address of this person, and an account needs one.";
    CONTACT_NOT_ACCEPTED = UNPROCESSABLE_ENTITY, "Contact not accepted", "Messages to this kind of contact cannot be sent here, or nobody registers with it.";
    ATTESTATION_INVALID = UNPROCESSABLE_ENTITY, "Registration of a passkey refused", "The authenticator's answer is not of this ceremony or this site.";
    INVALID_REASON = UNPROCESSABLE_ENTITY, "Invalid reason", "The value is no reason: 5 to 200 characters on one line.";
    INVALID_REMARKS = UNPROCESSABLE_ENTITY, "Invalid remarks", "The value is no remark: at most 100 characters on one line.";
    INVALID_ROLE = UNPROCESSABLE_ENTITY, "Invalid role", "The value is no role: 'user', 'admin' or 'super-admin'.";
    CAPTCHA_REQUIRED = UNPROCESSABLE_ENTITY, "Captcha required", "The request needs a solved captcha in the attribute 'captcha'; POST /api/v1/captcha/challenge gives one to solve.";
    CAPTCHA_INVALID = UNPROCESSABLE_ENTITY, "Captcha invalid", "The captcha is wrong, was used before, is too old, or was solved for something else; get another one.";
    INVALID_USERNAME = UNPROCESSABLE_ENTITY, "Invalid username", "The value is no username.";
    INVALID_FULL_NAME = UNPROCESSABLE_ENTITY, "Invalid name", "The value is no name: too long, or with control characters or links.";
    INVALID_LOCALE = UNPROCESSABLE_ENTITY, "Invalid locale", "The value is no language tag.";
    INVALID_CODE_FORMAT = UNPROCESSABLE_ENTITY, "Invalid code format", "The value has not the form of such a code: a string of exactly six digits, or a recovery code as it was shown. It is compared with nothing and counts as no try.";
    IDEMPOTENCY_KEY_REUSED = UNPROCESSABLE_ENTITY, "Idempotency key reused", "This Idempotency-Key was used with another body.";
    RATE_LIMITED = TOO_MANY_REQUESTS, "Too many requests", "A limit is used up; Retry-After says when it is free again.";
    OTP_LOCKED = TOO_MANY_REQUESTS, "Second factors blocked", "Too many wrong second factors for this account; Retry-After says when the next one counts, even the right one.";
    ACCOUNT_LIMITED = TOO_MANY_REQUESTS, "Account limited", "Too many failed tries for this account; Retry-After says when the next one counts.";
    INTERNAL = INTERNAL_SERVER_ERROR, "Internal error", "The service failed; the error's id finds the cause in its log.";
    OVERLOADED = SERVICE_UNAVAILABLE, "Overloaded", "More work is waiting than the service accepts; Retry-After says when to come again.";
    PROVIDER_UNAVAILABLE = SERVICE_UNAVAILABLE, "Provider unavailable", "The provider of identities does not answer, or answers with errors; try again, or sign in another way.";
    DEPENDENCY_UNAVAILABLE = SERVICE_UNAVAILABLE, "Dependency unavailable", "A store the service needs does not answer; nothing was assumed.";
}

impl Code {
    /// The code of a status that came without one, from the framework.
    pub fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::TOKEN_MISSING,
            StatusCode::FORBIDDEN => Self::FORBIDDEN,
            StatusCode::NOT_FOUND => Self::NOT_FOUND,
            StatusCode::METHOD_NOT_ALLOWED => Self::METHOD_NOT_ALLOWED,
            StatusCode::NOT_ACCEPTABLE => Self::NOT_ACCEPTABLE,
            StatusCode::REQUEST_TIMEOUT => Self::REQUEST_TIMEOUT,
            StatusCode::PAYLOAD_TOO_LARGE => Self::PAYLOAD_TOO_LARGE,
            StatusCode::URI_TOO_LONG => Self::URI_TOO_LONG,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Self::HEADERS_TOO_LARGE,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UNSUPPORTED_MEDIA_TYPE,
            StatusCode::TOO_MANY_REQUESTS => Self::RATE_LIMITED,
            StatusCode::SERVICE_UNAVAILABLE => Self::DEPENDENCY_UNAVAILABLE,
            other if other.is_client_error() => Self::BAD_REQUEST,
            _ => Self::INTERNAL,
        }
    }

    /// Whether a 401 with this code says that a token was shown and refused (RFC 6750 section 3.1).
    pub(super) const fn refuses_token(self) -> bool {
        matches!(
            self,
            Self::TOKEN_INVALID
                | Self::TOKEN_EXPIRED
                | Self::TOKEN_REVOKED
                | Self::FINGERPRINT_MISMATCH
                | Self::SESSION_ENDED
                | Self::REFRESH_EXPIRED
                | Self::REFRESH_REUSED
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `docs/api-errors.md`.
pub fn errors_markdown() -> String {
    let mut text = String::from(
        "# Error codes\n\nGenerated from `crates/api-actix/src/http/codes.rs`; do not edit.\n\n\
         An answer with a 4xx or 5xx status is a JSON:API document with `errors`. Each error has one of these codes, and a\n\
         code always comes with the same status. `id` is the request's id, also in `X-Request-Id`.\n\n\
         | code | status | meaning |\n|---|---|---|\n",
    );
    for code in Code::ALL {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| `{code}` | {} | {} |", code.status().as_u16(), code.meaning());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_an_error_and_documented_once() {
        let page = errors_markdown();
        for code in Code::ALL {
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{code}");
            assert!(code.as_str().bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{code}");
            assert!(!code.title().ends_with('.') && code.meaning().ends_with('.'), "{code}");
            assert_eq!(page.matches(&format!("| `{code}` |")).count(), 1, "{code}");
        }
    }

    #[test]
    fn a_status_of_the_framework_keeps_its_number() {
        for status in [401, 403, 404, 405, 406, 408, 413, 414, 415, 429, 431, 500, 503] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(Code::of_status(status).status(), status);
        }
        assert_eq!(Code::of_status(StatusCode::IM_A_TEAPOT), Code::BAD_REQUEST);
    }
}
