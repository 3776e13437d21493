//! What a person carries: claims, sessions and their refresh generations, revocations, one-time codes.

mod claims;
mod client;
mod code;
mod id;
mod refresh;
mod revocation;
mod session;

pub use claims::{
    AccessClaims, Actor, Amr, Factor, PreAuthorizedClaims, PreAuthorizedPurpose, StepUpClaims, StepUpMethod,
};
pub use client::{ClientKind, DeviceInfo, DeviceTokenHash, Fingerprint};
pub use code::OneTimeCode;
pub use id::{KeyId, SessionId, TokenId};
pub use refresh::{Generation, RefreshToken, RefreshTokenError};
pub use revocation::{Revocation, RevocationTarget};
pub use session::{EndReason, Presentation, Presented, RefreshPolicy, Session};
