//! The only sources of time and randomness.

use keystead_domain::Timestamp;

/// The time.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
pub trait Clock: Send + Sync {
    /// Now. A use-case reads it once and hands the value on.
    fn now(&self) -> Timestamp;
}

/// Random bytes fit for keys.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
pub trait Entropy: Send + Sync {
    /// Fills the buffer from a cryptographically secure generator. MUST NOT return weak bytes: an implementation whose
    /// source fails aborts the process.
    fn fill(&self, buffer: &mut [u8]);
}
