//! What several use-cases share: small parts made of ports, each with one job.

mod attempt;
mod codes;
mod epoch;
mod idempotency;
mod issuer;
mod login_guard;
mod postbox;
mod revoker;
mod sign_in_record;

pub use attempt::Attempt;
pub use codes::{CodeRefusal, IssuedCode, OneTimeCodes};
pub use epoch::{EpochChange, raise_epoch, revoke_session};
pub use idempotency::{Claim, Idempotency, IdempotentRequest};
pub(crate) use issuer::PreAuthorizedRequest;
pub use issuer::{AuthorizedTokens, PreAuthorizedTokens, SignIn, TokenIssuer};
pub use login_guard::{GuessGuard, GuessTicket};
pub(crate) use postbox::to_user;
pub use postbox::{Postbox, record};
pub use revoker::Revoker;
pub(crate) use sign_in_record::record_sign_in;
