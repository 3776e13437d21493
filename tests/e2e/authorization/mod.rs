//! G12, Z03: every route with every kind of caller, as `keystead_api_actix::authorization::RULES` declares it; G11: a half-way
//! token opens nothing but its own next step; I01 to I04: what an administrator who acts as somebody else may do, and how long.

pub(crate) mod asking;
pub(crate) mod cast;
pub(crate) mod expected;
mod half_way;
mod paths;

use keystead_api_actix::config::{Config, RegistrationContact};

use crate::attacks::support::Digest as State;
use crate::support::Service;

/// A service with every way in there is.
pub(crate) async fn start() -> Service {
    let change = |config: &mut Config| {
        config.login.passwordless = true;
        config.registration.contact = RegistrationContact::Both;
    };
    Service::builder().configured(change).start().await
}
