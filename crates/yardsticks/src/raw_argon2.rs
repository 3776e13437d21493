//! Argon2id alone.

use std::time::Duration;

use argon2::{Algorithm, Argon2, Block, Params, Version};

use crate::{Outcome, now};

/// Keystead's parameters, memory reused, nothing but hashing.
pub(crate) fn hashes_a_second(threads: &str, seconds: &str) -> Outcome<f64> {
    let params = Params::new(19_456, 2, 1, Some(32))?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let start = now();
    let until = start + Duration::from_secs(seconds.parse()?);
    let hash_until = || -> Outcome<u32> {
        let mut memory = vec![Block::default(); argon.params().block_count()];
        let (mut output, mut count) = ([0; 32], 0);
        while now() < until {
            let done = argon.hash_password_into_with_memory(
                b"plough-harbour-violet-93",
                b"0123456789abcdef",
                &mut output,
                &mut memory,
            );
            done?;
            count += 1;
        }
        Ok(count)
    };
    let threads: usize = threads.parse()?;
    let counts: Vec<Outcome<u32>> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(hash_until)).collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into()))).collect()
    });
    let mut total = 0;
    for count in counts {
        total += count?;
    }
    Ok(f64::from(total) / start.elapsed().as_secs_f64())
}
