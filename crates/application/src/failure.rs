//! What can go wrong in any use-case for no fault of the caller.

use std::time::Duration;

use thiserror::Error;

use crate::ports::{EphemeralError, HashError, StoreError, TokenError};

/// The service could not do its work. Every use-case error has this as one variant.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// A store did not answer, or a commit's outcome is unknown. Answer 503.
    #[error("a store is unavailable: {0}")]
    Unavailable(String),
    /// More passwords are waiting to be hashed than can be served. Answer 503 with `Retry-After`.
    #[error("overloaded")]
    Busy {
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// A bug or damaged data. Answer 500; the text goes to the log only.
    #[error("internal: {0}")]
    Internal(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::Unavailable(error.to_string()),
            StoreError::Conflict(_) | StoreError::Corrupt(_) => Self::Internal(error.to_string()),
        }
    }
}

impl From<EphemeralError> for Failure {
    fn from(error: EphemeralError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<HashError> for Failure {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy { retry_after } => Self::Busy { retry_after },
            HashError::Failed => Self::Internal(error.to_string()),
        }
    }
}

impl From<TokenError> for Failure {
    fn from(_: TokenError) -> Self {
        Self::Internal("no key to sign with".into())
    }
}

/// Lets `?` turn a port's error, or a [`Failure`], into a use-case's `Failure` variant.
macro_rules! fails_with {
    ($error:ty) => {
        crate::failure::fails_with!(@ $error, crate::failure::Failure, crate::ports::StoreError,
            crate::ports::EphemeralError, crate::ports::HashError, crate::ports::TokenError);
    };
    (@ $error:ty, $($cause:ty),+) => {$(
        impl From<$cause> for $error {
            fn from(cause: $cause) -> Self {
                Self::Failure(cause.into())
            }
        }
    )+};
}
pub(crate) use fails_with;
