use std::fmt;

use thiserror::Error;

/// What a person may do beyond their own account. Each role includes the ones before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Their own account only.
    #[default]
    User,
    /// Administration of other accounts.
    Admin,
    /// Administration and impersonation.
    SuperAdmin,
}

/// The text names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a role is 'user', 'admin' or 'super-admin'")]
pub struct UnknownRole;

impl Role {
    /// The name in tokens, documents and stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
            Self::SuperAdmin => "super-admin",
        }
    }

    /// Reads the name of a role.
    pub fn parse(text: &str) -> Result<Self, UnknownRole> {
        match text {
            "user" => Ok(Self::User),
            "admin" => Ok(Self::Admin),
            "super-admin" => Ok(Self::SuperAdmin),
            _ => Err(UnknownRole),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
