//! Accounts elsewhere: `/social…` signs in with them, `/users/me/social…` links and unlinks them.

use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use keystead_application::factor::{LinkedIdentity, SocialLinkError};
use keystead_application::ports::SocialAnswer;
use keystead_application::social::{SocialReturn, SocialSignInError};
use keystead_domain::SecretString;
use keystead_domain::social::{ProviderId, SocialIdentity};
use keystead_domain::token::ClientKind;
use serde::Serialize;
use url::form_urlencoded::Serializer;

use super::access::{Acting, context, device};
use super::factors::refused;
use super::paging::page_of;
use super::table::RouteSettings;
use super::tokens;
use crate::dto;
use crate::http::{
    ApiBody, ApiError, ApiQuery, Code, Document, HttpSettings, NoBody, NoQuery, Page, Params, ShownCredentials, Time,
    require_same_origin, resource,
};
use crate::services::Services;

/// Longest `state`: ours have 43 characters.
const STATE: usize = 128;
/// Longest `code` and `iss`.
const ANSWER: usize = 4096;

/// A provider people may sign in with.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProviderAttributes<'a> {
    /// What people call it.
    display_name: &'a str,
}

/// The providers people may sign in with.
#[utoipa::path(get, path = "/api/v1/social", tag = "social",
    responses((status = 200, description = "The providers; their ids stand in addresses", body = inline(super::openapi::SocialProvidersDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn providers(services: Data<Services>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    let shown = services
        .social
        .providers()
        .map(|(id, display_name)| resource("socialProviders", id.as_str(), ProviderAttributes { display_name }));
    Ok(Document::list(shown.collect(), None).ok())
}

/// A way to a provider.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FlowAttributes<'a> {
    /// Where to go: the provider's own page.
    url: &'a str,
    /// Until when the answer counts.
    expires_at: Time,
    /// Native clients: to be sent as `Keystead-Client-Id` with the answer. Browsers get a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
}

fn provider(path: &Path<String>) -> Result<ProviderId, ApiError> {
    ProviderId::try_new(path).map_err(|_| Code::NOT_FOUND.into())
}

/// The cookie of a client that begins must not be replaced, and that of one that comes back not be used, by other pages.
fn require_own_page(req: &HttpRequest, shown: &ShownCredentials<'_>) -> Result<(), ApiError> {
    if shown.kind == ClientKind::Browser { require_same_origin(req) } else { Ok(()) }
}

/// Begins a sign-in with an account at a provider. Only the client that began can complete it.
#[utoipa::path(post, path = "/api/v1/social/{provider}", tag = "social",
    params(("provider" = String, Path, description = "The provider")),
    responses((status = 200, description = "Where to go", body = inline(super::openapi::SocialFlowDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn begin(
    req: HttpRequest,
    services: Data<Services>,
    path: Path<String>,
    _: NoBody,
) -> Result<HttpResponse, ApiError> {
    let shown = ShownCredentials::read(&req)?;
    require_own_page(&req, &shown)?;
    let provider = provider(&path)?;
    let start = services.social.begin(&provider, &context(&req, &shown)).await.map_err(sign_in_error)?;
    let native = shown.kind == ClientKind::Native;
    let attributes = FlowAttributes {
        url: &start.url,
        expires_at: start.expires_at.into(),
        client_id: native.then(|| start.client_id.expose()),
    };
    let mut response = Document::single(resource("socialFlows", provider.as_str(), attributes)).ok();
    if !native {
        let cookie = HttpSettings::of(&req).cookies().set_client(start.client_id.expose());
        // A cookie of ours is always a valid header value.
        let _ = response.add_cookie(&cookie);
    }
    Ok(response)
}

/// Where a provider sends people back to. Changes nothing: it leads to the page that completes, with what the provider
/// said in the fragment, which no server and no log sees.
#[utoipa::path(get, path = "/api/v1/social/{provider}/callback", tag = "social",
    params(("provider" = String, Path, description = "The provider"), ("code" = Option<String>, Query), ("state" = Option<String>, Query),
        ("iss" = Option<String>, Query), ("error" = Option<String>, Query)),
    responses((status = 302, description = "To the page that completes")))]
pub(super) async fn arrive(
    req: HttpRequest,
    settings: Data<RouteSettings>,
    path: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let provider = provider(&path)?;
    // Providers add parameters of their own; RFC 6749 section 4.1.2 wants them ignored.
    let mut params = Params::parse(req.query_string())?;
    let mut fragment = Serializer::new(String::new());
    fragment.append_pair("provider", provider.as_str());
    for (name, most) in [("code", ANSWER), ("state", STATE), ("iss", ANSWER), ("error", 64)] {
        if let Some(value) = params.take(name).filter(|value| value.len() <= most) {
            fragment.append_pair(name, &value);
        }
    }
    let page = format!("{}/social/callback#{}", settings.public_url, fragment.finish());
    Ok(HttpResponse::build(StatusCode::FOUND).insert_header((header::LOCATION, page)).finish())
}

dto! {
    /// What a provider sent back.
    pub struct CallbackBody: "socialCallbacks" {
        /// `code` of the provider's answer.
        #[schema(value_type = String)]
        code: SecretString,
        /// `state` of the provider's answer.
        #[schema(value_type = String)]
        state: SecretString,
        /// `iss` of the provider's answer, where it sends it (RFC 9207).
        iss: Option<String>,
        /// Native clients, signing in: the device token of an earlier login.
        #[schema(value_type = Option<String>)]
        device_token: Option<SecretString>,
    }
}

fn answer(provider: ProviderId, body: ApiBody<CallbackBody>) -> Result<(SocialReturn, Option<SecretString>), ApiError> {
    let mut check = body.check();
    let parts = [
        ("code", Some(body.code.expose()), ANSWER),
        ("state", Some(body.state.expose()), STATE),
        ("iss", body.iss.as_deref(), ANSWER),
    ];
    for (name, value, most) in parts {
        let fits =
            |text: &str| (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        if !value.is_none_or(fits) {
            check.refuse(name, Code::VALIDATION_FAILED, format!("must have 1 to {most} printable ASCII characters"));
        }
    }
    check.finish(())?;
    let CallbackBody { code, state, iss, device_token } = body.into_inner();
    Ok((SocialReturn { provider, state, answer: SocialAnswer { code, issuer: iss } }, device_token))
}

/// Completes a sign-in: to the linked account, to the account of an address the provider vouches for, or to a new one.
/// Where nobody vouches for the address, a code is mailed and the answer is a token for `/auth/register/verify`.
#[utoipa::path(post, path = "/api/v1/social/{provider}/callback", tag = "social", request_body = CallbackBody,
    security((), ("client_id" = [])),
    params(("provider" = String, Path, description = "The provider")),
    responses((status = 200, description = "Signed in, asked for a second factor, or sent a code (`state`, `purpose`)", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn complete(
    req: HttpRequest,
    services: Data<Services>,
    path: Path<String>,
    body: ApiBody<CallbackBody>,
) -> Result<HttpResponse, ApiError> {
    let shown = ShownCredentials::read(&req)?;
    require_own_page(&req, &shown)?;
    let (back, device_token) = answer(provider(&path)?, body)?;
    let device = device(&shown).or(device_token);
    let client_id = shown.client_id.map(|id| SecretString::new(id.to_owned()));
    let result = services.social.complete(&back, client_id.as_ref(), device, &context(&req, &shown)).await;
    let admission = result.map_err(sign_in_error)?;
    Ok(tokens::admitted(&req, shown.kind, &admission, services.clock.now()))
}

fn sign_in_error(error: SocialSignInError) -> ApiError {
    match error {
        SocialSignInError::UnknownProvider => ApiError::new(Code::NOT_FOUND),
        SocialSignInError::Invalid => ApiError::new(Code::SOCIAL_INVALID),
        SocialSignInError::Unavailable(why) => unavailable(&why),
        SocialSignInError::AccountInactive => ApiError::new(Code::ACCOUNT_INACTIVE),
        SocialSignInError::LinkFromSession => ApiError::new(Code::SOCIAL_LINK_NEEDED),
        SocialSignInError::Taken => ApiError::new(Code::SOCIAL_TAKEN),
        SocialSignInError::NoAddress => ApiError::new(Code::SOCIAL_NO_ADDRESS),
        SocialSignInError::RegistrationClosed => ApiError::new(Code::REGISTRATION_CLOSED),
        SocialSignInError::ContactNotAccepted(_) => ApiError::new(Code::CONTACT_NOT_ACCEPTED),
        SocialSignInError::Failure(failure) => failure.into(),
    }
}

fn unavailable(why: &str) -> ApiError {
    tracing::warn!(reason = %why, "a provider of identities is unavailable");
    ApiError::new(Code::PROVIDER_UNAVAILABLE)
}

fn link_error(error: SocialLinkError, services: &Services) -> ApiError {
    match error {
        SocialLinkError::Factor(error) => refused(error, services.clock.now()),
        SocialLinkError::UnknownProvider => ApiError::new(Code::NOT_FOUND),
        SocialLinkError::Invalid => ApiError::new(Code::SOCIAL_INVALID),
        SocialLinkError::Unavailable(why) => unavailable(&why),
        SocialLinkError::Taken => ApiError::new(Code::SOCIAL_TAKEN),
        SocialLinkError::LastWayIn => ApiError::new(Code::LAST_WAY_IN),
        SocialLinkError::Failure(failure) => failure.into(),
    }
}

/// A linked account elsewhere.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SocialIdentityAttributes {
    /// Where.
    provider: String,
    /// What the account is called there.
    label: Option<String>,
    /// Since when.
    created_at: Time,
    /// When it last opened the account.
    last_used_at: Option<Time>,
}

impl SocialIdentityAttributes {
    pub fn new(identity: &SocialIdentity) -> Self {
        Self {
            provider: identity.provider.to_string(),
            label: identity.label.clone(),
            created_at: identity.created_at.into(),
            last_used_at: identity.last_used_at.map(Time::from),
        }
    }
}

/// A linked account elsewhere, with what people call the provider.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LinkAttributes {
    /// What people call the provider.
    display_name: String,
    /// What the account is called there.
    label: Option<String>,
    /// Since when.
    created_at: Time,
    /// When it last opened the account.
    last_used_at: Option<Time>,
}

/// A person has one account at a provider at most, so its name is the id.
fn shown(link: &LinkedIdentity) -> crate::http::Resource<'static, LinkAttributes> {
    let identity = &link.identity;
    let attributes = LinkAttributes {
        display_name: link.display_name.clone(),
        label: identity.label.clone(),
        created_at: identity.created_at.into(),
        last_used_at: identity.last_used_at.map(Time::from),
    };
    resource("socialIdentities", identity.provider.to_string(), attributes)
}

/// One's own accounts elsewhere, oldest first.
#[utoipa::path(get, path = "/api/v1/users/me/social", tag = "social", security(("access" = [])),
    params(("page[size]" = Option<u32>, Query, minimum = 1, maximum = 100), ("page[after]" = Option<String>, Query)),
    responses((status = 200, description = "The linked accounts", body = inline(super::openapi::SocialIdentitiesDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn list(
    services: Data<Services>,
    acting: Acting,
    ApiQuery(page): ApiQuery<Page>,
) -> Result<HttpResponse, ApiError> {
    let links = services.social_links.list(&acting.caller).await.map_err(|error| link_error(error, &services))?;
    let (part, next) = page_of(&links, &page, "/api/v1/users/me/social", |link| link.identity.provider.to_string())?;
    Ok(Document::list(part.iter().map(shown).collect(), next).ok())
}

/// Begins to link an account at a provider. Only this session can complete it.
#[utoipa::path(post, path = "/api/v1/users/me/social/{provider}", tag = "social", security(("access" = []), ("access" = [], "step_up" = [])),
    params(("provider" = String, Path, description = "The provider")),
    responses((status = 200, description = "Where to go", body = inline(super::openapi::SocialFlowDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn begin_link(
    services: Data<Services>,
    acting: Acting,
    path: Path<String>,
    _: NoBody,
) -> Result<HttpResponse, ApiError> {
    let provider = provider(&path)?;
    let result = services.social_links.begin(&acting.caller, &provider).await;
    let (url, expires_at) = result.map_err(|error| link_error(error, &services))?;
    let attributes = FlowAttributes { url: &url, expires_at: expires_at.into(), client_id: None };
    Ok(Document::single(resource("socialFlows", provider.as_str(), attributes)).ok())
}

/// Completes a link. `meta.tokens` has fresh tokens for this session.
#[utoipa::path(post, path = "/api/v1/users/me/social/{provider}/callback", tag = "social", request_body = CallbackBody, security(("access" = [])),
    params(("provider" = String, Path, description = "The provider")),
    responses((status = 201, description = "Linked", body = inline(super::openapi::SocialIdentityDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn complete_link(
    services: Data<Services>,
    acting: Acting,
    path: Path<String>,
    body: ApiBody<CallbackBody>,
) -> Result<HttpResponse, ApiError> {
    let (back, _) = answer(provider(&path)?, body)?;
    let result = services.social_links.complete(&acting.caller, &back, &acting.context).await;
    let (link, tokens) = result.map_err(|error| link_error(error, &services))?;
    let now = services.clock.now();
    Ok(Document::single(shown(&link)).meta("tokens", tokens::attributes(&tokens, now)).created())
}

/// Unlinks an account at a provider. Every other session ends.
#[utoipa::path(delete, path = "/api/v1/users/me/social/{provider}", tag = "social", security(("access" = []), ("access" = [], "step_up" = [])),
    params(("provider" = String, Path, description = "The provider")),
    responses((status = 200, description = "Unlinked; fresh tokens for this session", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn unlink(
    req: HttpRequest,
    services: Data<Services>,
    acting: Acting,
    path: Path<String>,
    _: NoBody,
) -> Result<HttpResponse, ApiError> {
    let result = services.social_links.remove(&acting.caller, &provider(&path)?, &acting.context).await;
    let tokens = result.map_err(|error| link_error(error, &services))?;
    Ok(tokens::authorized(&req, acting.context.client, &tokens, services.clock.now()))
}
