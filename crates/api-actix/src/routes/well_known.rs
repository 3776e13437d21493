//! `/.well-known/…`. Unknown names are 404, which browsers probe for (WebAppSec change-password, section 3).

use actix_web::http::header::{self, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpResponse, http::StatusCode};

use super::table::RouteSettings;
use crate::http::{ApiError, NoQuery};
use crate::services::Services;

/// How long verifiers may keep the key set, in seconds: less than a key is published before it signs.
pub const KEYS_MAX_AGE: u32 = 30;

/// The public keys of access tokens (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "discovery",
    responses((status = 200, description = "A JWK set", body = serde_json::Value, content_type = "application/jwk-set+json")))]
pub(super) async fn jwks(services: Data<Services>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json")))
        .insert_header((header::CACHE_CONTROL, format!("public, max-age={KEYS_MAX_AGE}")))
        .body(services.signer.jwks()))
}

/// Where a password manager sends people who want to change their password.
#[utoipa::path(get, path = "/.well-known/change-password", tag = "discovery",
    responses((status = 302, description = "The form")))]
pub(super) async fn change_password(settings: Data<RouteSettings>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::build(StatusCode::FOUND)
        .insert_header((header::LOCATION, format!("{}/account/password", settings.public_url)))
        .finish())
}

/// Where a password manager sends people who want to add or manage passkeys (W3C Passkey Endpoints).
#[derive(serde::Serialize, utoipa::ToSchema)]
pub(super) struct PasskeyEndpoints {
    /// Adding one.
    enroll: String,
    /// Managing them.
    manage: String,
}

/// Where passkeys are added and managed.
#[utoipa::path(get, path = "/.well-known/passkey-endpoints", tag = "discovery",
    responses((status = 200, description = "The pages", body = inline(PasskeyEndpoints), content_type = "application/json")))]
pub(super) async fn passkey_endpoints(settings: Data<RouteSettings>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    let page = format!("{}/account/passkeys", settings.public_url);
    Ok(HttpResponse::Ok().json(PasskeyEndpoints { enroll: page.clone(), manage: page }))
}
