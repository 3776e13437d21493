//! Where random bytes come from.

use keystead_application::ports::Entropy;

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        #[expect(clippy::disallowed_methods, reason = "this is the adapter behind the Entropy port")]
        let filled = getrandom::fill(buffer);
        if let Err(error) = filled {
            tracing::error!(%error, "the operating system gives no random bytes");
            // Not a panic: a caught one would leave the buffer as it was, and somebody would use it as a key.
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_draw_differs_and_every_bit_is_used() {
        let (mut ones, mut seen) = ([0u32; 256], HashSet::new());
        for _ in 0..10_000 {
            let mut bytes = [0u8; 32];
            OsEntropy.fill(&mut bytes);
            for (i, count) in ones.iter_mut().enumerate() {
                *count += u32::from(bytes[i / 8] >> (i % 8) & 1);
            }
            assert!(seen.insert(bytes));
        }
        // 5,000 expected, standard deviation 50: eight of them would be a broken generator.
        assert!(ones.iter().all(|count| (4_600..=5_400).contains(count)), "{ones:?}");
    }
}
