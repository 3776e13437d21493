//! Keystead's rules: entities, value objects, state machines and policies.
//!
//! Nothing here is asynchronous, reads a clock, draws random numbers or knows a wire format: every function is a
//! pure answer to its arguments, which is why the rules can be tested in microseconds and reused by any adapter.
//!
//! | room | what it holds |
//! |---|---|
//! | [`account`] | who a person is: addresses, names, passwords, roles, registrations, link tokens |
//! | [`token`] | what a person carries: claims, sessions, refresh generations, revocations, one-time codes |
//! | [`srp`] | passwords the server never sees: credentials, public keys, proofs |
//! | [`factor`] | second factors: enrolment, policy, guesses, passkeys, recovery codes |
//! | [`social`] | signing in with an account elsewhere |
//! | [`attendance`] | who came and went when |
//! | [`audit`] | the closed list of security events |
//! | [`language`] | which language somebody is answered in |
//! | [`limits`] | every default figure, in one table |

pub mod account;
pub mod attendance;
pub mod audit;
pub mod factor;
pub mod language;
pub mod limits;
pub mod secret;
pub mod social;
pub mod srp;
pub mod time;
pub mod token;

pub use secret::{SecretBytes, SecretString};
pub use time::Timestamp;
