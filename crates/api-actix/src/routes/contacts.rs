//! `/contacts…`.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use keystead_application::factor::{ContactView, UndoContactChangeError};
use keystead_domain::SecretString;
use keystead_domain::account::{Address, ContactId, EmailAddress, PhoneNumber};
use keystead_domain::token::OneTimeCode;
use serde::Serialize;

use super::access::{Acting, context};
use super::factors::{at_device, refused, went_on};
use super::paging::page_of;
use super::tokens;
use crate::dto;
use crate::http::{
    ApiBody, ApiError, ApiQuery, Code, Document, NoBody, Page, Resource, ShownCredentials, Time, no_content, resource,
};
use crate::services::Services;

/// An address of a person.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContactAttributes {
    /// `email` or `phone`.
    kind: &'static str,
    /// The address.
    address: String,
    /// Whether its owner proved to hold it.
    verified: bool,
    /// Whether codes sent there are a second factor.
    otp_enabled: bool,
    /// When an unproved one lapses.
    expires_at: Option<Time>,
}

impl ContactAttributes {
    pub fn new(contact: &ContactView) -> Self {
        Self {
            kind: contact.address.kind().as_str(),
            address: contact.address.to_string(),
            verified: contact.verified,
            otp_enabled: contact.otp_enabled,
            expires_at: contact.expires_at.map(Time::from),
        }
    }
}

fn shown(contact: &ContactView) -> Resource<'static, ContactAttributes> {
    resource("contacts", contact.id.to_string(), ContactAttributes::new(contact))
}

/// One's own contacts: proved ones first, then those to be proved.
#[utoipa::path(get, path = "/api/v1/contacts", tag = "contacts", security(("access" = [])),
    params(("page[size]" = Option<u32>, Query, minimum = 1, maximum = 100), ("page[after]" = Option<String>, Query)),
    responses((status = 200, description = "The contacts", body = inline(super::openapi::ContactsDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn list(
    services: Data<Services>,
    acting: Acting,
    ApiQuery(page): ApiQuery<Page>,
) -> Result<HttpResponse, ApiError> {
    let result = services.contacts.list(&acting.caller).await;
    let contacts = result.map_err(|error| refused(error, services.clock.now()))?;
    let (part, next) = page_of(&contacts, &page, "/api/v1/contacts", |contact| contact.id.to_string())?;
    Ok(Document::list(part.iter().map(shown).collect(), next).ok())
}

dto! {
    /// An address to be added, or to be had instead of the one of its kind.
    pub struct ContactBody: "contacts" {
        /// `email` or `phone`.
        #[schema(example = "phone")]
        kind: String,
        /// The address; a phone number with `+` and country code.
        #[schema(example = "+442079460958")]
        address: String,
    }
}

/// Begins to add an address: a code is sent there. Answers the same whether somebody else holds it or not.
#[utoipa::path(post, path = "/api/v1/contacts", tag = "contacts", request_body = ContactBody, security(("access" = []), ("access" = [], "step_up" = [])),
    responses((status = 201, description = "To be proved with the code", body = inline(super::openapi::PendingContactDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn add(
    services: Data<Services>,
    acting: Acting,
    body: ApiBody<ContactBody>,
) -> Result<HttpResponse, ApiError> {
    let at = body.pointers();
    let mut check = body.check();
    let address = match body.kind.as_str() {
        "email" => {
            check.field("address", EmailAddress::try_new(&body.address), Code::INVALID_EMAIL).map(Address::Email)
        }
        "phone" => check.field("address", PhoneNumber::try_new(&body.address), Code::INVALID_PHONE).map(Address::Phone),
        _ => {
            check.refuse("kind", Code::VALIDATION_FAILED, "a contact is an 'email' or a 'phone'".into());
            None
        }
    };
    let address = check.finish(address)?;
    let result = services.contacts.add(&acting.caller, address, &acting.context).await;
    let contact = result.map_err(|error| match refused(error, services.clock.now()) {
        error if error.code() == Code::CONTACT_NOT_ACCEPTED => error.pointer(at.to("kind")),
        error => error,
    })?;
    Ok(Document::single(shown(&contact)).created())
}

fn id(path: &Path<String>) -> Result<ContactId, ApiError> {
    ContactId::parse(path).ok_or_else(|| Code::NOT_FOUND.into())
}

dto! {
    /// The proof of an address.
    pub struct ContactCodeBody: "codes" {
        /// The six digits that were sent there.
        #[schema(example = "000123")]
        code: String,
        /// Native clients: the device token of an earlier login.
        #[schema(value_type = Option<String>)]
        device_token: Option<SecretString>,
    }
}

/// Proves an address: it is one's own from now on. The address it replaces is told, and can undo it for three days.
#[utoipa::path(post, path = "/api/v1/contacts/{id}/verify", tag = "contacts", request_body = ContactCodeBody, security(("access" = []), ("access" = [], "step_up" = [])),
    params(("id" = String, Path, description = "The contact")),
    responses((status = 200, description = "Proved; fresh tokens for this session", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn verify(
    req: HttpRequest,
    services: Data<Services>,
    acting: Acting,
    path: Path<String>,
    body: ApiBody<ContactCodeBody>,
) -> Result<HttpResponse, ApiError> {
    let mut check = body.check();
    let code = check.parsed("code", OneTimeCode::parse(&body.code), Code::INVALID_CODE_FORMAT);
    let code = check.finish(code)?;
    let caller = at_device(acting.caller, body.device_token.as_ref());
    let result = services.contacts.verify(&caller, id(&path)?, &code, &acting.context).await;
    went_on(&req, &services, acting.context.client, result)
}

dto! {
    /// A change of a contact.
    pub struct ContactChangeBody: "contacts" {
        /// Whether codes sent there are a second factor.
        #[schema(example = true)]
        otp_enabled: bool,
    }
}

/// Makes codes to a contact a second factor, or no longer. `meta.tokens` has fresh tokens for this session.
#[utoipa::path(patch, path = "/api/v1/contacts/{id}", tag = "contacts", request_body = ContactChangeBody, security(("access" = []), ("access" = [], "step_up" = [])),
    params(("id" = String, Path, description = "The contact")),
    responses((status = 200, description = "The contact as it is now", body = inline(super::openapi::ContactDocument), content_type = "application/vnd.api+json")))]
pub(super) async fn update(
    services: Data<Services>,
    acting: Acting,
    path: Path<String>,
    body: ApiBody<ContactChangeBody>,
) -> Result<HttpResponse, ApiError> {
    let at = body.pointers();
    let result = services.contacts.set_otp(&acting.caller, id(&path)?, body.otp_enabled, &acting.context).await;
    let now = services.clock.now();
    let (contact, tokens) = result.map_err(|error| match refused(error, now) {
        error if error.code() == Code::CONTACT_NOT_ACCEPTED => error.pointer(at.to("otpEnabled")),
        error => error,
    })?;
    Ok(Document::single(shown(&contact)).meta("tokens", tokens::attributes(&tokens, now)).ok())
}

/// Removes a contact; one that was not proved yet is given up.
#[utoipa::path(delete, path = "/api/v1/contacts/{id}", tag = "contacts", security(("access" = []), ("access" = [], "step_up" = [])),
    params(("id" = String, Path, description = "The contact")),
    responses((status = 200, description = "Removed; fresh tokens for this session", body = inline(super::openapi::TokensDocument), content_type = "application/vnd.api+json"),
        (status = 204, description = "Given up")))]
pub(super) async fn remove(
    req: HttpRequest,
    services: Data<Services>,
    acting: Acting,
    path: Path<String>,
    _: NoBody,
) -> Result<HttpResponse, ApiError> {
    let result = services.contacts.remove(&acting.caller, id(&path)?, &acting.context).await;
    let now = services.clock.now();
    match result.map_err(|error| refused(error, now))? {
        Some(tokens) => Ok(tokens::authorized(&req, acting.context.client, &tokens, now)),
        None => Ok(no_content()),
    }
}

dto! {
    /// The token of the link that was sent to an address that was replaced or removed.
    pub struct UndoBody: "contacts" {
        /// The token, from the fragment of the link.
        #[schema(value_type = String)]
        token: SecretString,
    }
}

/// Gives an address back to its account, without signing in. Every session of the account ends.
#[utoipa::path(post, path = "/api/v1/contacts/undo", tag = "contacts", request_body = UndoBody,
    responses((status = 204, description = "Undone; choose a new password")))]
pub(super) async fn undo(
    req: HttpRequest,
    services: Data<Services>,
    body: ApiBody<UndoBody>,
) -> Result<HttpResponse, ApiError> {
    let shown = ShownCredentials::read(&req)?;
    services.undo_contact.run(&body.token, &context(&req, &shown)).await.map_err(|error| match error {
        UndoContactChangeError::LinkInvalid => ApiError::new(Code::LINK_INVALID),
        UndoContactChangeError::Failure(failure) => failure.into(),
    })?;
    Ok(no_content())
}
