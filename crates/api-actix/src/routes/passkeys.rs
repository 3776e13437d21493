//! `/passkeys…`.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use keystead_domain::factor::{Passkey, PasskeyId, PasskeyName};
use serde::Serialize;

use super::access::Acting;
use super::factors::{refused, went_on};
use super::paging::page_of;
use super::second_factor::options_document;
use super::table::RouteSettings;
use super::tokens;
use crate::dto;
use crate::http::{ApiBody, ApiError, ApiQuery, Code, Document, NoBody, Page, Resource, Time, resource};
use crate::services::Services;

/// A passkey or security key.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PasskeyAttributes {
    /// What its owner calls it.
    name: String,
    /// What its maker calls it, if known.
    vendor: Option<&'static str>,
    /// Whether it may be copied to other devices.
    backup_eligible: bool,
    /// Whether it has been.
    backed_up: bool,
    /// Whether it verified its user at registration.
    user_verified: bool,
    /// When it was registered.
    created_at: Time,
    /// When it was last used.
    last_used_at: Option<Time>,
}

impl PasskeyAttributes {
    pub fn new(passkey: &Passkey, vendor: Option<&'static str>) -> Self {
        Self {
            name: passkey.name.as_str().to_owned(),
            vendor,
            backup_eligible: passkey.backup_eligible,
            backed_up: passkey.backed_up,
            user_verified: passkey.user_verified,
            created_at: passkey.created_at.into(),
            last_used_at: passkey.last_used_at.map(Time::from),
        }
    }
}

fn shown(passkey: &Passkey, vendor: Option<&'static str>) -> Resource<'static, PasskeyAttributes> {
    resource("passkeys", passkey.id.to_string(), PasskeyAttributes::new(passkey, vendor))
}

/// One's own passkeys, oldest first.
#[utoipa::path(get, path = "/api/v1/passkeys", tag = "factors", security(("access" = [])),
    params(("page[size]" = Option<u32>, Query, minimum = 1, maximum = 100), ("page[after]" = Option<String>, Query)),
    responses((status = 200, description = "The passkeys", body = inline(super::openapi::PasskeysDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn list(
    services: Data<Services>,
    acting: Acting,
    ApiQuery(page): ApiQuery<Page>,
) -> Result<HttpResponse, ApiError> {
    let result = services.passkeys.list(&acting.caller).await;
    let passkeys = result.map_err(|error| refused(error, services.clock.now()))?;
    let (part, next) = page_of(&passkeys, &page, "/api/v1/passkeys", |(passkey, _)| passkey.id.to_string())?;
    Ok(Document::list(part.iter().map(|(passkey, vendor)| shown(passkey, *vendor)).collect(), next).ok())
}

/// Begins the registration of a passkey.
#[utoipa::path(post, path = "/api/v1/passkeys/options", tag = "factors", security(("access" = []), ("access" = [], "step_up" = [])),
    responses((status = 200, description = "Options for navigator.credentials.create", body = inline(super::openapi::PasskeyOptionsDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn options(
    services: Data<Services>,
    settings: Data<RouteSettings>,
    acting: Acting,
    _: NoBody,
) -> Result<HttpResponse, ApiError> {
    settings.require_passkeys()?;
    let result = services.passkeys.options(&acting.caller).await;
    let options = result.map_err(|error| refused(error, services.clock.now()))?;
    options_document(&options)
}

dto! {
    /// A passkey to be registered.
    pub struct AttestationBody: "passkeys" {
        /// `RegistrationResponseJSON` (WebAuthn Level 3).
        #[schema(value_type = Object)]
        attestation: serde_json::Value,
        /// What to call it: 1 to 64 characters. Left out: its maker's name.
        #[schema(example = "Ada's phone")]
        name: Option<String>,
    }
}

/// Registers a passkey. `meta.tokens` has fresh tokens for this session.
#[utoipa::path(post, path = "/api/v1/passkeys", tag = "factors",
    request_body(content = AttestationBody, example = json!({"attestation": {"id": "bG9uZw", "rawId": "bG9uZw", "type": "public-key", "clientExtensionResults": {}, "response": {"clientDataJSON": "e30", "attestationObject": "oA", "transports": ["internal"]}}})),
    security(("access" = []), ("access" = [], "step_up" = [])),
    responses((status = 201, description = "Registered", body = inline(super::openapi::PasskeyDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn register(
    services: Data<Services>,
    acting: Acting,
    body: ApiBody<AttestationBody>,
) -> Result<HttpResponse, ApiError> {
    let mut check = body.check();
    let name = check.optional("name", body.name.as_deref().map(PasskeyName::try_new), Code::VALIDATION_FAILED);
    let name = check.finish(name)?;
    let answer = body.into_inner().attestation.to_string();
    let result = services.passkeys.register(&acting.caller, &answer, name, &acting.context).await;
    let now = services.clock.now();
    let registered = result.map_err(|error| refused(error, now))?;
    let document = Document::single(shown(&registered.passkey, registered.vendor));
    Ok(document.meta("tokens", tokens::attributes(&registered.tokens, now)).created())
}

dto! {
    /// Another name for a passkey.
    pub struct PasskeyNameBody: "passkeys" {
        /// What to call it: 1 to 64 characters.
        #[schema(example = "Ada's phone")]
        name: String,
    }
}

fn id(path: &Path<String>) -> Result<PasskeyId, ApiError> {
    PasskeyId::parse(path).ok_or_else(|| Code::NOT_FOUND.into())
}

/// Gives a passkey another name.
#[utoipa::path(patch, path = "/api/v1/passkeys/{id}", tag = "factors", request_body = PasskeyNameBody, security(("access" = []), ("access" = [], "step_up" = [])),
    params(("id" = String, Path, description = "The passkey")),
    responses((status = 200, description = "The passkey as it is now", body = inline(super::openapi::RenamedPasskeyDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn rename(
    services: Data<Services>,
    acting: Acting,
    path: Path<String>,
    body: ApiBody<PasskeyNameBody>,
) -> Result<HttpResponse, ApiError> {
    let mut check = body.check();
    let name = check.field("name", PasskeyName::try_new(&body.name), Code::VALIDATION_FAILED);
    let name = check.finish(name)?;
    let result = services.passkeys.rename(&acting.caller, id(&path)?, name, &acting.context).await;
    let (passkey, vendor) = result.map_err(|error| refused(error, services.clock.now()))?;
    Ok(Document::single(shown(&passkey, vendor)).ok())
}

/// Removes a passkey. Every other session ends.
#[utoipa::path(delete, path = "/api/v1/passkeys/{id}", tag = "factors", security(("access" = []), ("access" = [], "step_up" = [])),
    params(("id" = String, Path, description = "The passkey")),
    responses((status = 200, description = "Removed; fresh tokens for this session", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn remove(
    req: HttpRequest,
    services: Data<Services>,
    acting: Acting,
    path: Path<String>,
    _: NoBody,
) -> Result<HttpResponse, ApiError> {
    let result = services.passkeys.remove(&acting.caller, id(&path)?, &acting.context).await;
    went_on(&req, &services, acting.context.client, result)
}
