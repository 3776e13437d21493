use keystead_domain::account::PasswordPolicy;
use keystead_domain::limits;

use super::reader::{Reader, Reading};

/// Argon2id with one lane: memory in KiB that suffices at that many passes (OWASP Password Storage Cheat Sheet). From
/// five passes on the last line holds.
const OWASP_MINIMUM: &[(u32, u32)] = &[(1, 47_104), (2, 19_456), (3, 12_288), (4, 9_216), (5, 7_168)];

/// `[passwords]`: what passwords must be, and how they are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordsConfig {
    /// Fewest code points of a new password.
    pub min_length: usize,
    /// How they are hashed.
    pub argon2: Argon2Config,
}

/// `[passwords.argon2]`: Argon2id (RFC 9106) and how much of it at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Config {
    /// Memory per hash, in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
    /// Hashes at once.
    pub permits: usize,
    /// Hashes waiting for a permit; beyond them there is no hash.
    pub queue: usize,
}

impl PasswordsConfig {
    pub(super) fn read(r: &mut Reader, cores: usize) -> Reading<Self> {
        let min_length = r.integer("passwords.min_length", PasswordPolicy::default().min_length..=64);
        let memory_kib = r.integer("passwords.argon2.memory_kib", 1024..=256 * 1024);
        let passes = r.integer("passwords.argon2.passes", 1..=20);
        let lanes = r.integer("passwords.argon2.lanes", 1..=16);
        let permits = r.optional_integer("passwords.argon2.permits", 1..=1024);
        let queue = r.optional_integer("passwords.argon2.queue", 0..=65_536);
        let permits = permits?.unwrap_or(cores);
        let argon2 = Argon2Config {
            memory_kib: memory_kib?,
            passes: passes?,
            lanes: lanes?,
            permits,
            queue: queue?
                .unwrap_or(permits.saturating_mul(limits::HASH_QUEUE_PER_PERMIT).max(limits::HASH_QUEUE_LEAST)),
        };
        Ok(Self { min_length: min_length?, argon2 })
    }

    /// The rule for new passwords of a service of this name.
    pub fn policy(&self, product: &str) -> PasswordPolicy {
        let mut policy = PasswordPolicy { min_length: self.min_length, ..PasswordPolicy::default() };
        policy.context_words.push(product.to_owned());
        policy
    }
}

impl Argon2Config {
    /// The memory these passes would need, in KiB, when they have less.
    pub(super) fn memory_wanted(&self) -> Option<u32> {
        let minimum = OWASP_MINIMUM.iter().rfind(|(passes, _)| *passes <= self.passes).map(|(_, memory)| *memory);
        minimum.filter(|memory| self.memory_kib < *memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_passes_need_more_memory() {
        let wanted =
            |memory_kib, passes| Argon2Config { memory_kib, passes, lanes: 1, permits: 1, queue: 0 }.memory_wanted();
        assert_eq!(wanted(19_456, 2), None);
        assert_eq!(wanted(19_455, 2), Some(19_456));
        assert_eq!(wanted(19_456, 1), Some(47_104));
        assert_eq!(wanted(7_168, 5), None);
        assert_eq!(wanted(7_167, 50), Some(7_168));
    }
}
