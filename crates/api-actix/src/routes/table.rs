//! The table of routes.

use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};

use super::{
    health, idempotency, limiting, login, logout, me, openapi, password, refresh, register, sessions, verify,
    well_known,
};
use crate::http::{ApiError, Code, endpoint};

/// What routes know of the deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSettings {
    /// The origin people reach the service at, without a trailing slash.
    pub public_url: String,
}

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
        .service(web::scope("/api/v1").configure(api).wrap(from_fn(idempotency::once)).wrap(from_fn(limiting::limit)))
        .default_service(web::to(not_found));
}

fn api(config: &mut ServiceConfig) {
    config
        .service(endpoint("/openapi.json").get(openapi::serve))
        .service(endpoint("/auth/register").post(register::register))
        .service(endpoint("/auth/register/verify").post(register::verify))
        .service(endpoint("/auth/login").post(login::login))
        .service(endpoint("/auth/login/otp").post(register::resend))
        .service(endpoint("/auth/reauth").post(login::reauth))
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
        .service(endpoint("/users/me").get(me::read).patch(me::update).delete(me::deactivate))
        .service(endpoint("/users/me/export").get(me::export))
        .service(endpoint("/sessions").get(sessions::list).delete(sessions::end_all))
        .service(endpoint("/sessions/{id}").delete(sessions::end))
        .service(endpoint("/login-history").get(sessions::history));
}

async fn not_found() -> Result<actix_web::HttpResponse, ApiError> {
    Err(Code::NOT_FOUND.into())
}
