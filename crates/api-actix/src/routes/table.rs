//! The table of routes.

use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};

use super::{
    contacts, factors, health, idempotency, limiting, login, logout, me, openapi, passkeys, password, refresh,
    register, second_factor, sessions, step_up, verify, well_known,
};
use crate::http::{ApiError, Code, endpoint};

/// What routes know of the deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSettings {
    /// The origin people reach the service at, without a trailing slash.
    pub public_url: String,
    /// Whether browsers permit passkeys at that origin.
    pub passkeys: bool,
    /// Whether accounts without a password are made.
    pub passwordless: bool,
}

impl RouteSettings {
    /// Refuses what begins with a passkey where there can be none.
    pub(super) fn require_passkeys(&self) -> Result<(), ApiError> {
        if self.passkeys { Ok(()) } else { Err(Code::FACTOR_NOT_AVAILABLE.into()) }
    }
}

/// The largest answer of an authenticator to a question, in bytes.
const ASSERTION: usize = 16 * 1024;

/// Adds every route but the development ones.
pub fn configure(config: &mut ServiceConfig) {
    config
        // The hot path stands before, and outside, everything the other routes pass.
        .service(endpoint("/api/v1/auth/token/verify").post(verify::verify))
        .service(endpoint("/health/live").get(health::live))
        .service(endpoint("/healthz").get(health::live))
        .service(endpoint("/health/ready").get(health::ready))
        .service(endpoint("/readyz").get(health::ready))
        .service(endpoint("/.well-known/jwks.json").get(well_known::jwks))
        .service(endpoint("/.well-known/change-password").get(well_known::change_password))
        .service(endpoint("/.well-known/passkey-endpoints").get(well_known::passkey_endpoints))
        .service(web::scope("/api/v1").configure(api).wrap(from_fn(idempotency::once)).wrap(from_fn(limiting::limit)))
        .default_service(web::to(not_found));
}

fn api(config: &mut ServiceConfig) {
    config
        .service(endpoint("/openapi.json").get(openapi::serve))
        .service(endpoint("/auth/register").post(register::register))
        .service(endpoint("/auth/register/verify").post(register::verify))
        .service(endpoint("/auth/login").post(login::login))
        .service(endpoint("/auth/login/otp").post(second_factor::send))
        .service(endpoint("/auth/login/code").post(second_factor::code))
        .service(endpoint("/auth/login/passkey").post(second_factor::passkey).body_cap(ASSERTION))
        .service(endpoint("/auth/login/passkey/options").post(second_factor::passkey_options))
        .service(endpoint("/auth/passwordless").post(second_factor::passwordless))
        .service(endpoint("/auth/passwordless/verify").post(second_factor::passwordless_verify))
        .service(endpoint("/auth/otp").post(step_up::request).put(step_up::verify))
        .service(endpoint("/auth/otp/passkey").post(step_up::passkey).body_cap(ASSERTION))
        .service(endpoint("/auth/otp/passkey/options").post(step_up::passkey_options))
        .service(endpoint("/auth/reauth").post(login::reauth).body_cap(ASSERTION))
        .service(endpoint("/auth/activate").post(login::activate))
        .service(endpoint("/auth/refresh").post(refresh::refresh))
        .service(endpoint("/auth/token").get(refresh::exchange))
        .service(endpoint("/auth/tokens/{jti}").delete(verify::revoke))
        .service(endpoint("/auth/status").get(verify::status))
        .service(endpoint("/auth/logout").post(logout::logout))
        .service(endpoint("/auth/password").patch(password::change))
        .service(endpoint("/auth/password/forgot").post(password::forgot))
        .service(endpoint("/auth/password/reset").post(password::reset))
        .service(endpoint("/auth/password/reset/begin").post(password::begin_reset))
        .service(endpoint("/totp").post(factors::begin_totp).delete(factors::remove_totp))
        .service(endpoint("/totp/confirm").post(factors::confirm_totp))
        .service(endpoint("/recovery-codes").post(factors::recovery_codes))
        .service(endpoint("/passkeys").get(passkeys::list).post(passkeys::register))
        .service(endpoint("/passkeys/options").post(passkeys::options))
        .service(endpoint("/passkeys/{id}").patch(passkeys::rename).delete(passkeys::remove))
        .service(endpoint("/contacts").get(contacts::list).post(contacts::add))
        .service(endpoint("/contacts/undo").post(contacts::undo))
        .service(endpoint("/contacts/{id}").patch(contacts::update).delete(contacts::remove))
        .service(endpoint("/contacts/{id}/verify").post(contacts::verify))
        .service(endpoint("/users/me").get(me::read).patch(me::update).delete(me::deactivate))
        .service(endpoint("/users/me/export").get(me::export))
        .service(endpoint("/sessions").get(sessions::list).delete(sessions::end_all))
        .service(endpoint("/sessions/{id}").delete(sessions::end))
        .service(endpoint("/login-history").get(sessions::history));
}

async fn not_found() -> Result<actix_web::HttpResponse, ApiError> {
    Err(Code::NOT_FOUND.into())
}
