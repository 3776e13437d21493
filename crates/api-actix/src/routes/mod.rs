//! The handlers: extract, convert, run, render. One file per concept; [`configure`] is the table of routes.

mod access;
mod admin;
mod attendance;
mod captcha;
mod contacts;
mod cursors;
mod factors;
mod failure;
mod finishing;
mod health;
mod idempotency;
mod limiting;
mod login;
mod logout;
mod me;
mod openapi;
mod paging;
mod passkeys;
mod password;
mod refresh;
mod register;
mod second_factor;
mod sessions;
mod social;
mod srp;
mod step_up;
mod table;
mod tokens;
mod verify;
mod well_known;

pub mod dev;

pub use cursors::{CursorOf, canonical_cursor};
pub use health::Readiness;
pub use limiting::{
    ADDRESS_POLICIES, AddressPolicy, HashingRoom, LIMITS, PerAddress, RequestLimits, RouteLimits, SLOWED_PER_CLIENT,
};
pub use openapi::document as openapi_document;
pub use table::{RouteSettings, configure};
pub use well_known::KEYS_MAX_AGE;
