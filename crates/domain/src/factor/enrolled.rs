/// What a person has besides contacts, counted by the store in one look-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Enrolled {
    /// Whether a TOTP secret is confirmed.
    pub totp: bool,
    /// How many passkeys there are.
    pub passkeys: u32,
    /// How many recovery codes are left.
    pub recovery_codes: u32,
}
