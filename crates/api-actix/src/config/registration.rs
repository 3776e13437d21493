use super::reader::{Reader, Reading};
use super::values::boolean;

/// `[registration]`: who may open an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistrationConfig {
    /// Whether strangers may.
    pub open: bool,
}

impl RegistrationConfig {
    pub(super) fn read(r: &mut Reader) -> Reading<Self> {
        Ok(Self { open: r.value("registration.open", boolean)? })
    }
}
