//! The OpenAPI document, generated from the handlers.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::LazyLock;

use actix_web::http::header::{self, EntityTag, Header as _, HeaderValue, IfNoneMatch};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, RefOr, Response, ResponseBuilder};
use utoipa::{Modify, OpenApi, ToSchema};

use super::{
    admin, attendance, captcha, contacts, factors, health, login, logout, me, passkeys, password, refresh, register,
    second_factor, sessions, social, srp, step_up, tokens, verify, well_known,
};
use crate::http::pressure::Parts;
use crate::http::{ApiError, NoQuery};

macro_rules! document {
    ($($name:ident, $resource:ident, $attributes:ty;)*) => {$(
        /// A document with one resource.
        #[derive(ToSchema)]
        #[expect(dead_code, reason = "a schema: handlers build the same shape from crate::http::Document")]
        pub(super) struct $name {
            #[schema(inline)]
            data: $resource,
        }

        /// A resource.
        #[derive(ToSchema)]
        #[expect(dead_code, reason = "a schema: handlers build the same shape from crate::http::Document")]
        pub(super) struct $resource {
            r#type: String,
            id: String,
            #[schema(inline)]
            attributes: $attributes,
        }
    )*};
}

macro_rules! list_document {
    ($($name:ident, $resource:ident, $attributes:ty;)*) => {$(
        /// A page of a list.
        #[derive(ToSchema)]
        #[expect(dead_code, reason = "a schema: handlers build the same shape from crate::http::Document")]
        pub(super) struct $name {
            #[schema(inline)]
            data: Vec<$resource>,
            #[schema(inline)]
            links: Links,
        }

        /// A resource.
        #[derive(ToSchema)]
        #[expect(dead_code, reason = "a schema: handlers build the same shape from crate::http::Document")]
        pub(super) struct $resource {
            r#type: String,
            id: String,
            #[schema(inline)]
            attributes: $attributes,
        }
    )*};
}

document! {
    TokensDocument, TokensResource, tokens::Tokens<'static>;
    TokenStatusDocument, TokenStatusResource, verify::TokenStatus<'static>;
    StatusDocument, StatusResource, verify::Status;
    CaptchaChallengeDocument, CaptchaChallengeResource, captcha::CaptchaChallengeAttributes<'static>;
    SrpChallengeDocument, SrpChallengeResource, srp::SrpChallengeAttributes;
    UserDocument, UserResource, me::UserAttributes;
    ManagedUserDocument, ManagedUserResource, admin::users::ManagedUserAttributes;
    OutboxMessageDocument, OutboxMessageResource, admin::outbox::OutboxAttributes;
    ExportDocument, ExportResource, me::ExportAttributes;
    PasskeyOptionsDocument, PasskeyOptionsResource, second_factor::PasskeyOptions;
    OtpRequestDocument, OtpRequestResource, step_up::OtpRequest;
    OtpSessionDocument, OtpSessionResource, step_up::OtpSession<'static>;
    TotpSecretDocument, TotpSecretResource, factors::TotpSecret<'static>;
    RecoveryCodesDocument, RecoveryCodesResource, factors::RecoveryCodes<'static>;
    SocialFlowDocument, SocialFlowResource, social::FlowAttributes<'static>;
    RenamedPasskeyDocument, RenamedPasskey, passkeys::PasskeyAttributes;
    PendingContactDocument, PendingContact, contacts::ContactAttributes;
    AttendanceStatusDocument, AttendanceStatusResource, attendance::StatusAttributes;
    AttendanceDocument, AttendanceResource, attendance::AttendanceAttributes;
}

list_document! {
    ManagedUsersDocument, ListedUser, admin::users::ManagedUserAttributes;
    ManagedSessionsDocument, ListedSession, admin::sessions::ManagedSessionAttributes;
    AuditEventsDocument, ListedAuditEvent, admin::audit::AuditEventAttributes;
    OutboxDocument, ListedMessage, admin::outbox::OutboxAttributes;
    SessionsDocument, SessionResource, sessions::SessionAttributes;
    LoginsDocument, LoginResource, sessions::LoginAttributes;
    PasskeysDocument, ListedPasskey, passkeys::PasskeyAttributes;
    SocialProvidersDocument, ListedSocialProvider, social::ProviderAttributes<'static>;
    SocialIdentitiesDocument, ListedSocialIdentity, social::LinkAttributes;
    ContactsDocument, ListedContact, contacts::ContactAttributes;
    AttendancesDocument, ListedAttendance, attendance::AttendanceAttributes;
    ManagedAttendancesDocument, ManagedAttendance, admin::attendances::ManagedAttendanceAttributes;
}

macro_rules! document_with_tokens {
    ($($name:ident, $resource:ident, $attributes:ty;)*) => {$(
        /// A document with one resource, and the tokens the session goes on with.
        #[derive(ToSchema)]
        #[expect(dead_code, reason = "a schema: handlers build the same shape from crate::http::Document")]
        pub(super) struct $name {
            #[schema(inline)]
            data: $resource,
            #[schema(inline)]
            meta: FreshTokens,
        }

        /// A resource.
        #[derive(ToSchema)]
        #[expect(dead_code, reason = "a schema: handlers build the same shape from crate::http::Document")]
        pub(super) struct $resource {
            r#type: String,
            id: String,
            #[schema(inline)]
            attributes: $attributes,
        }
    )*};
}

document_with_tokens! {
    PasskeyDocument, PasskeyResource, passkeys::PasskeyAttributes;
    SocialIdentityDocument, SocialIdentityResource, social::LinkAttributes;
    ContactDocument, ContactResource, contacts::ContactAttributes;
}

/// `meta` of an answer to a change that raised the epoch.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a schema: handlers build the same shape from crate::http::Document")]
pub(super) struct FreshTokens {
    #[schema(inline)]
    tokens: tokens::Tokens<'static>,
}

/// Links of a page.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a schema: handlers build the same shape from crate::http::Document")]
pub(super) struct Links {
    /// The page after this one; absent on the last.
    next: Option<String>,
}

/// What every refusal looks like.
#[derive(ToSchema)]
#[schema(as = Errors)]
#[expect(dead_code, reason = "a schema: crate::http::ApiError writes the same shape")]
pub(super) struct Errors {
    errors: Vec<ErrorObject>,
}

/// One thing that is wrong.
#[derive(ToSchema)]
#[schema(as = Error)]
#[expect(dead_code, reason = "a schema: crate::http::ApiError writes the same shape")]
struct ErrorObject {
    /// The request's identifier, as in `X-Request-Id`.
    id: Option<String>,
    /// The status, as a string.
    status: String,
    /// From the list in docs/api-errors.md.
    code: String,
    title: String,
    detail: Option<String>,
    source: Option<ErrorSource>,
    #[schema(value_type = Option<Object>)]
    meta: Option<serde_json::Value>,
}

/// Where in the request it lies.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a schema: crate::http::ApiError writes the same shape")]
struct ErrorSource {
    pointer: Option<String>,
    parameter: Option<String>,
    header: Option<String>,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Keystead", description = "Self-hosted authentication service"),
    paths(
        register::register, register::verify,
        second_factor::code, second_factor::send, second_factor::passkey_options, second_factor::passkey,
        second_factor::passwordless, second_factor::passwordless_verify,
        step_up::request, step_up::verify, step_up::passkey_options, step_up::passkey,
        factors::begin_totp, factors::confirm_totp, factors::remove_totp, factors::recovery_codes,
        passkeys::list, passkeys::options, passkeys::register, passkeys::rename, passkeys::remove,
        contacts::list, contacts::add, contacts::verify, contacts::update, contacts::remove, contacts::undo,
        login::login, login::reauth, login::activate,
        captcha::challenge,
        srp::register, srp::challenge, srp::login, srp::add,
        refresh::refresh, refresh::exchange,
        verify::verify, verify::revoke, verify::status, logout::logout,
        password::forgot, password::begin_reset, password::reset, password::change,
        me::read, me::update, me::deactivate, me::export,
        social::providers, social::begin, social::arrive, social::complete,
        social::list, social::begin_link, social::complete_link, social::unlink,
        sessions::list, sessions::end, sessions::end_all, sessions::history,
        admin::users::list, admin::users::create, admin::users::read, admin::users::update, admin::users::delete,
        admin::users::end_sessions, admin::users::impersonate,
        admin::sessions::list, admin::sessions::end, admin::sessions::end_everybody,
        attendance::status, attendance::check_in, attendance::check_out, attendance::list,
        admin::attendances::list, admin::attendances::of_user, admin::attendances::export,
        admin::audit::list, admin::outbox::list, admin::outbox::retry,
        well_known::jwks, well_known::change_password, well_known::passkey_endpoints, health::live, health::ready,
    ),
    components(schemas(Errors)),
    modifiers(&Shared)
)]
struct Api;

/// What all operations share: how a client authenticates, and how it is refused.
struct Shared;

/// Statuses any operation of the API may refuse with.
const REFUSALS: [(&str, &str); 12] = [
    ("400", "The request is malformed"),
    ("401", "Not authenticated"),
    ("403", "Not allowed"),
    ("404", "Not found"),
    ("406", "The client takes no JSON:API document"),
    ("408", "The body took too long"),
    ("409", "In conflict with what there is"),
    ("413", "The body is too large"),
    ("415", "The body has a media type the route does not take"),
    ("422", "Attributes are wrong"),
    ("429", "Too often; see Retry-After"),
    ("503", "Overloaded, or a store does not answer; see Retry-After"),
];

impl Modify for Shared {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let bearer = || HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
        if let Some(components) = api.components.as_mut() {
            let access =
                bearer().description(Some("An access token; its client id goes with it, in the cookie or the header"));
            let half_way = bearer().description(Some("A pre-authorized token of the flow the route belongs to"));
            components.add_security_scheme("access", SecurityScheme::Http(access.build()));
            components.add_security_scheme("pre_authorized", SecurityScheme::Http(half_way.build()));
            let proof =
                "`Bearer` and an OTPSession: of PUT /auth/otp, /auth/otp/passkey, or a login with a second factor";
            let proof = ApiKeyValue::with_description("OTP-Authorization", proof);
            components.add_security_scheme("step_up", SecurityScheme::ApiKey(ApiKey::Header(proof)));
            let client = ApiKeyValue::with_description("Keystead-Client-Id", "The client id of a native client");
            components.add_security_scheme("client_id", SecurityScheme::ApiKey(ApiKey::Header(client)));
        }
        for (path, item) in &mut api.paths.paths {
            let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                let refusals = REFUSALS.iter().filter(|(status, _)| path.starts_with("/api/") || *status == "400");
                for (status, description) in refusals {
                    let responses = &mut operation.responses.responses;
                    responses.entry((*status).to_owned()).or_insert_with(|| RefOr::T(refusal(description)));
                }
            }
        }
    }
}

fn refusal(description: &str) -> Response {
    let schema = utoipa::openapi::Ref::from_schema_name("Errors");
    let content = Content::new(Some(schema));
    ResponseBuilder::new().description(description).content("application/vnd.api+json", content).build()
}

/// The document as JSON text, for people.
pub fn document() -> String {
    Api::openapi().to_pretty_json().unwrap_or_default()
}

/// The document as it is served.
struct Served {
    /// Without the blanks that are half of what people read.
    text: Bytes,
    tag: EntityTag,
}

/// Made once: hundreds of kilobytes are too much work for each request of anybody.
static SERVED: LazyLock<Served> = LazyLock::new(|| {
    let text = Bytes::from(Api::openapi().to_json().unwrap_or_default());
    // Nobody chooses what is hashed, so this need not withstand who looks for two texts with one hash.
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let tag = EntityTag::new_strong(format!("{:016x}", hasher.finish()));
    Served { text, tag }
});

/// Serves the document, or says that the client has it already (RFC 9110, section 13.1.2).
pub(super) async fn serve(req: HttpRequest, _: NoQuery) -> Result<HttpResponse, ApiError> {
    Ok(answer(&req))
}

fn answer(req: &HttpRequest) -> HttpResponse {
    let known = match IfNoneMatch::parse(req) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(&SERVED.tag)),
        Err(_) => false,
    };
    let mut answer = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer
        .insert_header(header::ETag(SERVED.tag.clone()))
        .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")));
    if known {
        return answer.finish();
    }
    let media_type = HeaderValue::from_static("application/vnd.oai.openapi+json;version=3.1");
    answer.insert_header((header::CONTENT_TYPE, media_type)).body(Parts::new(Bytes::clone(&SERVED.text)))
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use actix_web::test::TestRequest;

    use super::*;

    async fn served(tags: Option<&str>) -> (u16, String, Bytes) {
        let mut request = TestRequest::default();
        if let Some(tags) = tags {
            request = request.insert_header((header::IF_NONE_MATCH, tags));
        }
        let answer = answer(&request.to_http_request());
        let tag = answer.headers().get(header::ETAG).unwrap().to_str().unwrap().to_owned();
        (answer.status().as_u16(), tag, to_bytes(answer.into_body()).await.unwrap())
    }

    #[actix_web::test]
    async fn the_document_is_served_without_blanks() {
        let (status, _, body) = served(None).await;
        assert_eq!(status, 200);
        let [compact, pretty] =
            [&body[..], document().as_bytes()].map(|text| serde_json::from_slice::<serde_json::Value>(text).unwrap());
        assert_eq!(compact, pretty);
        assert_eq!(body.len(), compact.to_string().len());
    }

    #[actix_web::test]
    async fn who_has_the_document_gets_it_not_again() {
        let (_, tag, body) = served(None).await;
        assert!(tag.starts_with('"') && tag.len() > 10, "{tag}");
        for known in [tag.clone(), format!("\"other\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
            assert_eq!(served(Some(&known)).await, (304, tag.clone(), Bytes::new()), "{known}");
        }
        for other in ["\"other\"", "", "garbage", tag.trim_matches('"')] {
            assert_eq!(served(Some(other)).await, (200, tag.clone(), body.clone()), "{other}");
        }
    }
}
