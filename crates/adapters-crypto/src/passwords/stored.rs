//! Any hash a password is checked against: ours, or one that was brought along and not replaced yet.

use argon2::Params;
use keystead_application::ports::HashRefusal;

use super::foreign::{Bcrypt, Pbkdf2, SaltedSha, Scrypt};
use super::import;
use super::memory::Memory;
use super::phc::{Failed, StoredHash};

/// A stored hash, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Argon2(StoredHash),
    Bcrypt(Bcrypt),
    Pbkdf2(Pbkdf2),
    Scrypt(Scrypt),
    SaltedSha(SaltedSha),
}

impl Stored {
    /// Reads what [`Self::text`] wrote, and no other spelling of it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let stored = import::read_text(text).ok()?;
        (stored.text() == text).then_some(stored)
    }

    /// The one text it is kept as.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Argon2(hash) => hash.text(),
            Self::Bcrypt(hash) => hash.text(),
            Self::Pbkdf2(hash) => hash.text(),
            Self::Scrypt(hash) => hash.text(),
            Self::SaltedSha(hash) => hash.text(),
        }
    }

    /// Whether `password` gives this hash. Compares in constant time.
    pub(super) fn matches(&self, password: &[u8], memory: &mut Memory) -> Result<bool, Failed> {
        match self {
            Self::Argon2(hash) => hash.matches(password, memory),
            Self::Bcrypt(hash) => hash.matches(password),
            Self::Pbkdf2(hash) => hash.matches(password),
            Self::Scrypt(hash) => hash.matches(password),
            Self::SaltedSha(hash) => hash.matches(password),
        }
    }

    /// Whether a new hash with `params` would look the same but for salt and tag.
    pub(super) fn is_current(&self, params: &Params) -> bool {
        matches!(self, Self::Argon2(hash) if hash.is_current(params))
    }

    /// Whether guessing costs a thief next to nothing.
    pub(super) const fn is_weak(&self) -> bool {
        match self {
            Self::SaltedSha(_) => true,
            Self::Pbkdf2(hash) => hash.is_weak(),
            Self::Argon2(_) | Self::Bcrypt(_) | Self::Scrypt(_) => false,
        }
    }
}

/// What reading a hash of any kind gives.
pub(super) type Read = Result<Stored, HashRefusal>;
