//! Keystead's use-cases and the ports they need.
//!
//! | room | what it holds |
//! |---|---|
//! | [`ports`] | what the use-cases need of the world, as traits |
//! | [`account`] | registering, activating, profile, passwords |
//! | [`session`] | signing in, second factors, step-up, refreshing, ending sessions |
//! | [`admin`] | what administrators do to other people's accounts |
//! | [`attendance`] | who comes and goes when, and reminding people to check out |
//! | [`audit`] | the audit log: sealing, chaining, verifying, reading and pruning it |
//! | [`captcha`] | asking for captchas, and the proof of work |
//! | [`factor`] | a person's second factors and contacts |
//! | [`social`] | signing in with accounts elsewhere |
//! | [`revocation`] | the check every authenticated request passes, without a round trip |
//! | [`operation`] | what runs beside requests: mail delivery, keys, housekeeping, the operator's commands |
//! | [`service`] | parts several use-cases share |
//!
//! A use-case is a struct with its dependencies and one method, `run`. Build it with the adapters you choose; see
//! `examples/` for a program that embeds the crate, and `testing` (feature `testing`) for mocks and fakes.

pub mod account;
pub mod admin;
pub mod attendance;
pub mod audit;
pub mod captcha;
pub mod context;
pub mod factor;
pub mod failure;
pub mod message;
pub mod operation;
pub mod ports;
pub mod random;
pub mod revocation;
pub mod service;
pub mod session;
pub mod settings;
pub mod social;
#[cfg(test)]
mod test_world;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
