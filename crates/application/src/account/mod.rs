//! Registering, activating, profile, passwords.

mod activate;
mod change_password;
mod deactivate;
mod export;
mod forgot_password;
mod profile;
mod register;
mod resend_code;
mod reset_password;
mod srp_verifier;
mod verify_registration;

pub use activate::{ActivateAccount, ActivateAccountCommand, ActivateAccountError};
pub use change_password::{ChangeDesk, ChangePassword, ChangePasswordCommand, ChangePasswordError};
pub use deactivate::{DeactivateAccount, DeactivateAccountError};
pub use export::{AccountExport, ExportAccount, ExportAccountError};
pub use forgot_password::{ForgotPassword, ForgotPasswordError};
pub use profile::{ProfileError, ReadProfile, UpdateProfile, UpdateProfileCommand};
pub use register::{RegisterUser, RegisterUserCommand, RegisterUserError, RegistrationDesk};
pub use resend_code::{ResendCode, ResendCodeError};
pub(crate) use reset_password::own_words;
pub use reset_password::{BeginReset, BeginResetError, ResetPassword, ResetPasswordError};
pub use srp_verifier::{AddSrpCredential, AddSrpError};
pub use verify_registration::{VerifyRegistration, VerifyRegistrationCommand, VerifyRegistrationError};
