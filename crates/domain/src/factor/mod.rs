//! Second factors: which a person has, which are asked for, how often they may be guessed at.

mod enrolled;
mod failures;
mod passkey;
mod policy;
mod recovery;
mod totp;

pub use enrolled::Enrolled;
pub use failures::{BlockPolicy, FactorFailures, FailureSlot, Try};
pub use passkey::{CredentialId, Passkey, PasskeyId, PasskeyName, PasskeyNameError};
pub use policy::{SecondFactorPolicy, Standing};
pub use recovery::{RECOVERY_CODES, RecoveryCode, RecoveryCodeHash};
pub use totp::{PendingTotp, TOTP_STEP, Totp, TotpRefusal};
