use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use keystead_domain::Timestamp;

use crate::ports::{Clock, Entropy};

/// A clock that stands still until it is told otherwise.
#[derive(Debug)]
pub struct FixedClock(AtomicI64);

impl FixedClock {
    /// Stands at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.as_micros()))
    }

    /// Goes to `now`, forwards or back.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_micros(), Ordering::SeqCst);
    }

    /// Goes on by `span`.
    pub fn advance(&self, span: Duration) {
        self.set(self.now().plus(span));
    }
}

impl Default for FixedClock {
    /// Stands at [`super::START`].
    fn default() -> Self {
        Self::at(super::START)
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// Bytes that look random, never repeat in a test, and are the same in every run. No randomness at all.
#[derive(Debug, Default)]
pub struct CountingEntropy(AtomicU64);

impl CountingEntropy {
    /// Begins its stream at the given block, so that two sources can differ.
    pub fn starting_at(block: u64) -> Self {
        Self(AtomicU64::new(block))
    }
}

impl Entropy for CountingEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let block = mix(self.0.fetch_add(1, Ordering::SeqCst));
            chunk.iter_mut().zip(block.to_le_bytes()).for_each(|(byte, random)| *byte = random);
        }
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection whose outputs look random. No cryptography.
pub(super) const fn mix(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_moves_when_told() {
        let clock = FixedClock::default();
        clock.advance(Duration::from_secs(2));
        assert_eq!((clock.now(), clock.now()), (crate::testing::after(2), crate::testing::after(2)));
    }

    #[test]
    fn the_stream_is_the_same_every_time_and_never_repeats() {
        let draw = |source: &CountingEntropy| {
            let mut bytes = [0; 20];
            source.fill(&mut bytes);
            bytes
        };
        let (one, two) = (CountingEntropy::default(), CountingEntropy::default());
        let first = draw(&one);
        assert_eq!(first, draw(&two));
        assert_ne!(first, draw(&one));
        assert_ne!(first, draw(&CountingEntropy::starting_at(99)));
        assert_ne!(first[..8], first[8..16]);
    }
}
