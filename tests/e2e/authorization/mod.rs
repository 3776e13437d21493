//! G12, Z03: every route with every kind of caller, as `keystead_api_actix::authorization::RULES` declares it; G11: a half-way
//! token opens nothing but its own next step; I01 to I04: what an administrator who acts as somebody else may do, and how long.

mod asking;
mod cast;
mod ends;
mod expected;
mod half_way;
mod impersonation;
mod paths;
mod walk;

use keystead_api_actix::config::{Config, RegistrationContact};

use crate::attacks::support::Digest as State;
use crate::support::Service;

/// A service with every way in there is.
async fn start() -> Service {
    let change = |config: &mut Config| {
        config.login.passwordless = true;
        config.registration.contact = RegistrationContact::Both;
    };
    Service::builder().configured(change).start().await
}
