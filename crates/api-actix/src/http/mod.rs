//! Everything between a socket and a handler: bodies, queries, credentials, errors, headers.
//!
//! A handler declares what it takes, turns it into domain types, runs a use-case and renders:
//!
//! ```
//! use actix_web::HttpResponse;
//! use keystead_api_actix::dto;
//! use keystead_api_actix::http::{ApiBody, ApiError, Code, Credentials, Document, resource};
//! use keystead_domain::SecretString;
//! use keystead_domain::account::{EmailAddress, FullName};
//!
//! dto! {
//!     /// Body of `POST /auth/register`.
//!     pub struct RegisterBody: "registrations" {
//!         /// Where the code is sent.
//!         email: String,
//!         /// What to be called.
//!         full_name: Option<String>,
//!         /// 8 to 128 characters.
//!         #[schema(value_type = String, format = Password)]
//!         password: SecretString,
//!     }
//! }
//!
//! #[derive(serde::Serialize)]
//! #[serde(rename_all = "camelCase")]
//! struct Registered {
//!     access_token: String,
//! }
//!
//! async fn register(credentials: Credentials, body: ApiBody<RegisterBody>) -> Result<HttpResponse, ApiError> {
//!     let mut check = body.check();
//!     let email = check.field("email", EmailAddress::try_new(&body.email), Code::INVALID_EMAIL);
//!     let name = check.optional("fullName", body.full_name.as_deref().map(FullName::try_new), Code::INVALID_FULL_NAME);
//!     let (email, name) = check.finish((email, name))?;
//!     let (at, password) = (body.pointers(), body.into_inner().password);
//!     // … run the use-case with credentials.kind, credentials.device_info, email, name, password; an error it finds in
//!     // an attribute becomes ApiError::new(Code::PASSWORD_COMMON).pointer(at.to("password")) …
//!     # let _ = (credentials, email, name, at, password);
//!     Ok(Document::single(resource("tokens", "jti", Registered { access_token: String::new() })).created())
//! }
//! ```

mod body;
mod client;
mod codes;
mod cookies;
mod document;
mod error;
mod forwarded;
mod languages;
mod media;
mod middleware;
mod origin;
mod otp_authorization;
pub mod pressure;
mod query;
mod rate_headers;
mod remote;
mod routing;
mod schema;
mod settings;

pub use body::{
    ApiBody, Attribute, Attributes, BodyCap, BodyLimits, Change, Check, Dto, Gathered, Json, NoBody, OptionalBody,
    Pointers, RawBody, password_problem,
};
pub use client::{CLIENT_ID, CLIENT_KIND, Credentials, ShownCredentials, device_info};
pub use codes::{Code, errors_markdown};
pub use cookies::CookieNames;
pub use document::{
    Document, Resource, Time, accepted, accepts_json_api, json_api, next_link, next_link_with, no_content, resource,
};
pub use error::{ApiError, Problem, Source};
pub use forwarded::{ForwardedHops, forwarded_hops, x_forwarded_for_hops};
pub use languages::{Language, accept_language};
pub use middleware::{Edge, EdgeService, RequestId, WorkLimit, log_panics, log_text};
pub use origin::{AllowedOrigins, OriginError, require_same_origin};
pub use otp_authorization::{BASIC_CHALLENGE, OTP_AUTHORIZATION, OtpCredentials, otp_credentials, step_up_proof};
pub use query::{ApiQuery, NoQuery, Page, Params, Query};
pub use rate_headers::{enforce_limits, limited, rate_headers, show_limits, with_limits};
pub use remote::{ClientAddress, TrustedProxies, client_address};
pub use routing::{Declared, Endpoint, declared, endpoint};
pub use schema::{ErrorDocument, ErrorObject, ErrorSource, ListDocument, RequestDocument, ResourceDocument};
pub use settings::HttpSettings;
