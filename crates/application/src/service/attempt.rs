use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keystead_domain::SecretBytes;
use keystead_domain::limits::{self, RatePolicy};

use super::hex::{hex, short_hex};
use crate::ports::{BudgetKey, Entropy, KeyedHash};

/// A request is carried out once in the life of its record.
pub(super) const ONCE: RatePolicy =
    RatePolicy { name: "request", limit: 1, window: Duration::from_secs(2 * 86_400), per: "Idempotency-Key" };

const _: () = assert!(ONCE.window.as_secs() > limits::IDEMPOTENCY_LIFE.as_secs());

/// A request that may come again because nobody knows what became of it: its commit was sent and not answered, or the
/// process died. All attempts at it share a seed, which [`super::Idempotency`] keeps.
///
/// What is carried out leaves a mark in the same transaction ([`super::GuessGuard::was_carried_out`]), and codes and
/// identifiers follow from the seed. So a later attempt learns from the database, whatever happened to connections, that an
/// earlier one committed; then it writes and sends nothing, and answers as the earlier one would have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt(SecretBytes);

impl Attempt {
    /// Bytes of a seed.
    pub(super) const SEED: usize = 32;

    /// An attempt at the request that has this seed.
    pub fn new(seed: SecretBytes) -> Self {
        Self(seed)
    }

    /// What the request leaves behind once it is carried out.
    pub(super) fn mark(&self, hash: &dyn KeyedHash) -> BudgetKey {
        let mut mark = [0; 16];
        self.draw(hash, b"mark").fill(&mut mark);
        BudgetKey(format!("request:{}", hex(&mark)))
    }

    /// A name for what this request showed, the same for every attempt at it and nobody else's.
    pub(crate) fn name_of(&self, hash: &dyn KeyedHash, shown: &[u8]) -> String {
        short_hex(&hash.digest(&[self.0.expose(), &hash.digest(shown)[..], b"shown"].concat()))
    }

    fn draw<'a>(&'a self, hash: &'a dyn KeyedHash, label: &'static [u8]) -> Drawn<'a> {
        Drawn::Seeded { hash, seed: self.0.expose(), label, count: AtomicU64::new(0) }
    }
}

/// Where the values of a request come from: its seed, when it may come again; else chance.
pub(super) enum Drawn<'a> {
    /// SHA-256 over seed, count and label. A seed has one length, so inputs never coincide.
    Seeded {
        /// SHA-256.
        hash: &'a dyn KeyedHash,
        /// The seed.
        seed: &'a [u8],
        /// What is drawn.
        label: &'static [u8],
        /// Blocks drawn so far.
        count: AtomicU64,
    },
    /// Nobody asks twice.
    Random(&'a dyn Entropy),
}

impl<'a> Drawn<'a> {
    /// Values called `label`.
    pub(super) fn of(
        attempt: Option<&'a Attempt>,
        label: &'static [u8],
        hash: &'a dyn KeyedHash,
        entropy: &'a dyn Entropy,
    ) -> Self {
        attempt.map_or(Self::Random(entropy), |attempt| attempt.draw(hash, label))
    }
}

impl Entropy for Drawn<'_> {
    fn fill(&self, buffer: &mut [u8]) {
        match self {
            Self::Random(entropy) => entropy.fill(buffer),
            Self::Seeded { hash, seed, label, count } => {
                for chunk in buffer.chunks_mut(32) {
                    let number = count.fetch_add(1, Ordering::Relaxed).to_be_bytes();
                    let block = hash.digest(&[*seed, &number[..], *label].concat());
                    chunk.iter_mut().zip(block).for_each(|(byte, drawn)| *byte = drawn);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;
    use crate::testing::{CountingEntropy, FakeKeyedHash};

    fn attempt(byte: u8) -> Attempt {
        Attempt::new(SecretBytes::new(vec![byte; Attempt::SEED]))
    }

    #[test]
    fn attempts_at_one_request_draw_alike_and_nothing_else_does() {
        let (hash, entropy) = (FakeKeyedHash::default(), CountingEntropy::default());
        let id = |attempt: Option<&Attempt>, label| random::user_id(&Drawn::of(attempt, label, &hash, &entropy));
        let (one, other) = (attempt(1), attempt(2));
        assert_eq!(id(Some(&one), b"user"), id(Some(&one), b"user"));
        assert_ne!(id(Some(&one), b"user"), id(Some(&other), b"user"));
        assert_ne!(id(Some(&one), b"user"), id(Some(&one), b"code"));
        assert_ne!(id(None, b"user"), id(None, b"user"));
        assert_eq!(one.mark(&hash), one.mark(&hash));
        assert_ne!(one.mark(&hash), other.mark(&hash));
    }

    #[test]
    fn no_block_comes_twice_and_no_seed_is_printed() {
        let (hash, attempt) = (FakeKeyedHash::default(), attempt(7));
        let mut long = [0; 96];
        attempt.draw(&hash, b"x").fill(&mut long);
        assert!(long[..32] != long[32..64] && long[32..64] != long[64..]);
        assert!(!format!("{attempt:?}").contains('7'));
    }
}
