//! Time, chance and statistics for measurements.

use std::time::{Duration, Instant};

/// Real time. Measurements are the one thing that must not take it from a port.
#[expect(clippy::disallowed_methods, reason = "bench and prove measure real time from outside the service")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Runs something and returns how long it took, in milliseconds, beside its result.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = now();
    let result = work();
    (millis(start.elapsed()), result)
}

/// A duration in milliseconds.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// A small generator (SplitMix64) that repeats itself for the same seed. Not for secrets.
pub(crate) struct Chance(u64);

impl Chance {
    /// Starts a sequence.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `low..high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low).max(1)
    }
}

/// The value below which `percent` of the samples lie (nearest rank). 0 for no samples.
pub(crate) fn percentile(samples: &[f64], percent: u32) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent as usize).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0.0)
}

/// The middle value.
pub(crate) fn median(samples: &[f64]) -> f64 {
    percentile(samples, 50)
}

/// A count as a float. Counts here are far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^53")]
pub(crate) const fn float(count: u64) -> f64 {
    count as f64
}

/// How well one measurement tells two classes apart: the chance that a sample of `b` is larger than one of `a`, ties
/// counted half (Mann–Whitney). 0.5 = not at all.
pub(crate) fn auc(a: &[f64], b: &[f64]) -> f64 {
    let mut sorted = a.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut wins = 0.0;
    for value in b {
        let below = sorted.partition_point(|other| other < value);
        let not_above = sorted.partition_point(|other| other <= value);
        wins += f64::midpoint(float(below as u64), float(not_above as u64));
    }
    wins / (float(a.len() as u64) * float(b.len() as u64)).max(1.0)
}

/// The standard error of [`auc`] when the classes do not differ.
pub(crate) fn auc_error(a: usize, b: usize) -> f64 {
    let (a, b) = (float(a as u64), float(b as u64));
    ((a + b + 1.0) / (12.0 * a * b)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let samples: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!([50, 99, 100].map(|p| percentile(&samples, p).to_string()), ["50", "99", "100"]);
        assert_eq!(median(&[3.0, 1.0, 2.0]).to_string(), "2");
        assert_eq!(percentile(&[], 99).to_string(), "0");
    }

    #[test]
    fn auc_is_one_half_for_equal_classes_and_one_for_separate_ones() {
        let low = [1.0, 2.0, 3.0];
        let high = [4.0, 5.0, 6.0];
        assert_eq!(auc(&low, &high).to_string(), "1");
        assert_eq!(auc(&high, &low).to_string(), "0");
        assert_eq!(auc(&low, &low).to_string(), "0.5");
        // 2 beats 1 (1), ties 2 (½), loses to 3; the same for each sample of b: (1.5 + 2.5 + 3) / 9.
        assert!((auc(&low, &[2.0, 3.0, 4.0]) - 7.0 / 9.0).abs() < 1e-12);
    }

    #[test]
    fn the_error_of_two_thousand_samples_a_class_is_below_one_percent() {
        assert!((auc_error(2000, 2000) - 0.00913).abs() < 1e-4);
    }

    #[test]
    fn a_seed_repeats_its_sequence() {
        // The published first output of SplitMix64 for seed 0.
        assert_eq!(Chance::new(0).next(), 0xe220_a839_7b1d_cdaf);
        let draw = |seed| (0..50).map(|_| Chance::new(seed).between(5, 9)).collect::<Vec<_>>();
        assert_eq!(draw(7), draw(7));
        let mut chance = Chance::new(1);
        assert!((0..1000).map(|_| chance.between(5, 9)).all(|n| (5..9).contains(&n)));
    }
}
