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
    /// Every role, least first.
    pub const ALL: [Self; 3] = [Self::User, Self::Admin, Self::SuperAdmin];

    /// Whether somebody of this role may change an account of the other, or give the other to an account: nobody changes
    /// who is above them, and nobody gives more than they have.
    pub fn may_manage(self, other: Self) -> bool {
        self >= Self::Admin && self >= other
    }

    /// Whether somebody of this role may act as an account of the other.
    pub const fn may_impersonate(self, other: Self) -> bool {
        matches!((self, other), (Self::SuperAdmin, Self::User))
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_reaches_above_themselves() {
        let manages = |actor: Role| Role::ALL.map(|other| actor.may_manage(other));
        assert_eq!(Role::ALL.map(manages), [[false, false, false], [true, true, false], [true, true, true]]);
        let acts_as = |actor: Role| Role::ALL.map(|other| actor.may_impersonate(other));
        assert_eq!(Role::ALL.map(acts_as), [[false, false, false], [false, false, false], [true, false, false]]);
    }
}
