use std::sync::Arc;
use std::time::Duration;

use keystead_domain::Timestamp;
use keystead_domain::limits::RatePolicy;

/// Zero bits a proof of work begins with where nothing is going on: 65,536 hashes in the mean, 0.1 to 1 s in a browser.
pub const BASE_DIFFICULTY: u8 = 16;
/// Bits that load adds at most: 64 times the work.
pub const MOST_LOAD_BITS: u8 = 6;

/// Challenges in a minute that are taken for people; every doubling beyond it costs everybody a bit.
const CALM: u32 = 120;
/// What challenges of the whole deployment are counted by, every minute by itself ([`minute`]): a day is long enough that
/// next to nothing of a minute's count comes back within it. Its limit is where difficulty ends; it refuses nothing.
pub(super) const RECENT: RatePolicy = RatePolicy {
    name: "captcha-load",
    limit: CALM << MOST_LOAD_BITS,
    window: Duration::from_secs(86_400),
    per: "deployment and minute",
};

/// The name of the minute a challenge is counted in.
pub(super) fn minute(now: Timestamp) -> String {
    now.as_seconds().div_euclid(60).to_string()
}

/// How many passwords wait to be hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HashingLoad {
    /// Waiting now.
    pub queued: usize,
    /// That may wait at most.
    pub room: usize,
}

/// Asks the pool of this process.
pub type LoadGauge = Arc<dyn Fn() -> HashingLoad + Send + Sync>;

/// Zero bits to ask for: `base`, and up to [`MOST_LOAD_BITS`] more for passwords that wait and for challenges of the running
/// minute. What attackers do to the service, they pay for; what people notice is a second more.
pub(super) fn bits(base: u8, load: HashingLoad, recent: u32) -> u8 {
    let quarters = load.queued.saturating_mul(4).checked_div(load.room).unwrap_or(0);
    let waiting = match quarters {
        0 => 0,
        1 => 1,
        2 => 2,
        _ => 4,
    };
    let doublings = (recent / CALM).checked_ilog2().unwrap_or(0);
    let added = waiting + u8::try_from(doublings).unwrap_or(MOST_LOAD_BITS);
    base.saturating_add(added.min(MOST_LOAD_BITS))
}

/// Whether a hash begins with so many zero bits.
pub(super) fn has_zero_bits(hash: &[u8; 32], bits: u8) -> bool {
    let mut zeros = 0;
    for byte in hash {
        zeros += byte.leading_zeros();
        if *byte != 0 {
            break;
        }
    }
    zeros >= u32::from(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_costs_bits_up_to_a_bound_and_calm_costs_none() {
        let waiting = |queued| HashingLoad { queued, room: 64 };
        for (load, recent, expected) in [
            (HashingLoad::default(), 0, 16),
            (waiting(15), 119, 16),
            (waiting(15), 239, 16),
            (waiting(0), 240, 17),
            (waiting(0), 480, 18),
            (waiting(16), 0, 17),
            (waiting(32), 0, 18),
            (waiting(48), 0, 20),
            (waiting(64), 480, 22),
            (waiting(64), u32::MAX, 22),
            (waiting(0), 7680, 22),
            (HashingLoad { queued: 9, room: 0 }, 0, 16),
        ] {
            assert_eq!(bits(16, load, recent), expected, "{load:?} {recent}");
        }
    }

    #[test]
    fn bits_are_counted_from_the_first_byte() {
        let mut hash = [0xff; 32];
        assert!(has_zero_bits(&hash, 0) && !has_zero_bits(&hash, 1));
        hash[..3].copy_from_slice(&[0, 0, 0b0001_1111]);
        assert!(has_zero_bits(&hash, 19) && !has_zero_bits(&hash, 20));
        assert!(has_zero_bits(&[0; 32], u8::MAX));
    }
}
