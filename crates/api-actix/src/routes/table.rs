//! The table of routes.

use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};

use super::{
    attendance, captcha, contacts, factors, finishing, health, idempotency, limiting, login, logout, me, openapi,
    passkeys, password, refresh, register, second_factor, sessions, social, srp, step_up, verify, well_known,
};
use crate::http::{ApiError, Code, Endpoint, declared};

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

/// Where the API begins.
const API: &str = "/api/v1";

fn endpoint(path: &str) -> Endpoint {
    declared("", path)
}

fn api_endpoint(path: &str) -> Endpoint {
    declared(API, path)
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
        .service(
            web::scope(API)
                .configure(api)
                // Its own, or what is nowhere in the scope would be counted here and there.
                .default_service(web::to(not_found))
                .wrap(from_fn(idempotency::once))
                .wrap(from_fn(finishing::finish))
                .wrap(from_fn(limiting::limit)),
        )
        .default_service(web::to(not_found).wrap(from_fn(limiting::limit)));
}

fn api(config: &mut ServiceConfig) {
    config
        .service(api_endpoint("/openapi.json").get(openapi::serve))
        .service(api_endpoint("/auth/register").post(register::register))
        .service(api_endpoint("/auth/register/verify").post(register::verify))
        .service(api_endpoint("/captcha/challenge").post(captcha::challenge))
        .service(api_endpoint("/auth/login").post(login::login))
        .service(api_endpoint("/auth/login/otp").post(second_factor::send))
        .service(api_endpoint("/auth/login/code").post(second_factor::code))
        .service(api_endpoint("/auth/login/passkey").post(second_factor::passkey).body_cap(ASSERTION))
        .service(api_endpoint("/auth/login/passkey/options").post(second_factor::passkey_options))
        .service(api_endpoint("/auth/passwordless").post(second_factor::passwordless))
        .service(api_endpoint("/auth/passwordless/verify").post(second_factor::passwordless_verify))
        .service(api_endpoint("/auth/otp").post_with_query(step_up::request).put(step_up::verify))
        .service(api_endpoint("/auth/otp/passkey").post(step_up::passkey).body_cap(ASSERTION))
        .service(api_endpoint("/auth/otp/passkey/options").post(step_up::passkey_options))
        .service(api_endpoint("/auth/srp/register").post(srp::register))
        .service(api_endpoint("/auth/srp/challenge").post(srp::challenge))
        .service(api_endpoint("/auth/srp/login").post(srp::login))
        .service(api_endpoint("/auth/srp/verifier").post(srp::add))
        .service(api_endpoint("/auth/reauth").post(login::reauth).body_cap(ASSERTION))
        .service(api_endpoint("/auth/activate").post(login::activate))
        .service(api_endpoint("/auth/refresh").post(refresh::refresh))
        .service(api_endpoint("/auth/token").get(refresh::exchange))
        .service(api_endpoint("/auth/tokens/{jti}").delete(verify::revoke))
        .service(api_endpoint("/auth/status").get(verify::status))
        .service(api_endpoint("/auth/logout").post_with_query(logout::logout))
        .service(api_endpoint("/auth/password").patch(password::change))
        .service(api_endpoint("/auth/password/forgot").post(password::forgot))
        .service(api_endpoint("/auth/password/reset").post(password::reset))
        .service(api_endpoint("/auth/password/reset/begin").post(password::begin_reset))
        .service(api_endpoint("/totp").post(factors::begin_totp).delete(factors::remove_totp))
        .service(api_endpoint("/totp/confirm").post(factors::confirm_totp))
        .service(api_endpoint("/recovery-codes").post(factors::recovery_codes))
        .service(api_endpoint("/passkeys").get(passkeys::list).post(passkeys::register))
        .service(api_endpoint("/passkeys/options").post(passkeys::options))
        .service(api_endpoint("/passkeys/{id}").patch(passkeys::rename).delete(passkeys::remove))
        .service(api_endpoint("/contacts").get(contacts::list).post(contacts::add))
        .service(api_endpoint("/contacts/undo").post(contacts::undo))
        .service(api_endpoint("/contacts/{id}").patch(contacts::update).delete(contacts::remove))
        .service(api_endpoint("/contacts/{id}/verify").post(contacts::verify))
        .service(api_endpoint("/users/me").get(me::read).patch(me::update).delete(me::deactivate))
        .service(api_endpoint("/users/me/export").get(me::export))
        .service(api_endpoint("/users/me/social").get(social::list))
        .service(api_endpoint("/users/me/social/{provider}").post(social::begin_link).delete(social::unlink))
        .service(api_endpoint("/users/me/social/{provider}/callback").post(social::complete_link))
        .service(api_endpoint("/social").get(social::providers))
        .service(api_endpoint("/social/{provider}").post(social::begin))
        .service(api_endpoint("/social/{provider}/callback").get(social::arrive).post(social::complete))
        .service(api_endpoint("/sessions").get(sessions::list).delete(sessions::end_all))
        .service(api_endpoint("/sessions/{id}").delete(sessions::end))
        .service(api_endpoint("/login-history").get(sessions::history))
        .service(api_endpoint("/attendance/status").get(attendance::status))
        .service(api_endpoint("/attendance/in").post(attendance::check_in))
        .service(api_endpoint("/attendance/out").post(attendance::check_out))
        .service(api_endpoint("/attendances").get(attendance::list))
        .configure(admin);
}

fn admin(config: &mut ServiceConfig) {
    use super::admin::{attendances, audit, outbox, sessions, users};
    config
        .service(api_endpoint("/admin/users").get(users::list).post(users::create))
        .service(api_endpoint("/admin/users/{id}").get(users::read).patch(users::update).delete(users::delete))
        .service(api_endpoint("/admin/users/{id}/sessions").delete(users::end_sessions))
        .service(api_endpoint("/admin/users/{id}/impersonations").post(users::impersonate))
        .service(api_endpoint("/admin/sessions").get(sessions::list).delete(sessions::end_everybody))
        .service(api_endpoint("/admin/sessions/{id}").delete(sessions::end))
        .service(api_endpoint("/admin/attendances").get(attendances::list))
        .service(api_endpoint("/admin/attendances/export").get(attendances::export))
        .service(api_endpoint("/admin/users/{id}/attendances").get(attendances::of_user))
        .service(api_endpoint("/admin/audit-events").get(audit::list))
        .service(api_endpoint("/admin/outbox").get(outbox::list))
        .service(api_endpoint("/admin/outbox/{id}/retry").post(outbox::retry));
}

async fn not_found() -> Result<actix_web::HttpResponse, ApiError> {
    Err(Code::NOT_FOUND.into())
}
