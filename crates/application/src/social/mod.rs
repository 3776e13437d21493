//! Signing in with an account at somebody else's service. Linking and unlinking are changes of a person's credentials and
//! live with the others, in [`crate::factor`].
//!
//! ```text
//! begin ── state kept, bound to the client ──> provider ──> GET callback (changes nothing) ──> page ── POST callback
//! POST callback ── take the state (one winner) ── same provider, same client? ── exchange the code ── who is it?
//!     a known account elsewhere ──────────────────> the one door (`SignInDesk::admit`)
//!     a vouched address of an account here ───────> linked, its owner told ──> the one door
//!     a vouched address of nobody ────────────────> an account is made and linked
//!     an address nobody vouches for ──────────────> a claim: the code that is mailed proves it
//! ```

mod flow;
mod newcomer;
mod sign_in;

pub(crate) use flow::LinkPlace;
pub use flow::{FlowRefusal, SocialFlows, SocialReturn, SocialStart};
pub use sign_in::{SocialSignIn, SocialSignInError};

#[cfg(test)]
mod tests;
