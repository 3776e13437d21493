//! `Entropy`.

use std::collections::BTreeSet;
use std::sync::Arc;

use keystead_application::ports::Entropy;

use super::RACERS;
use crate::race::race;

/// Tests every contract of [`Entropy`](keystead_application::ports::Entropy) that can be seen from outside: whether
/// bytes are fit for keys cannot. The expression is a future of a [`Harness`](crate::Harness).
#[macro_export]
macro_rules! entropy_contracts {
    ($make:expr) => {
        $crate::contract_tests!(
            entropy,
            dyn $crate::ports::Entropy,
            $make,
            [every_byte_is_filled, parallel_draws_never_repeat,]
        );
    };
}

/// Every place of a buffer of any length takes other values than it had.
pub async fn every_byte_is_filled(entropy: Arc<dyn Entropy>) {
    for length in [0, 1, 7, 8, 9, 16, 32, 1000] {
        let mut changed = vec![false; length];
        for _ in 0..20 {
            let mut buffer = vec![0xa5; length];
            entropy.fill(&mut buffer);
            changed.iter_mut().zip(buffer).for_each(|(changed, byte)| *changed |= byte != 0xa5);
        }
        assert!(changed.iter().all(|changed| *changed), "{length} bytes");
    }
}

/// No two draws of 16 bytes are the same, whoever draws them.
pub async fn parallel_draws_never_repeat(entropy: Arc<dyn Entropy>) {
    let draws = race(RACERS, |_| {
        let entropy = Arc::clone(&entropy);
        async move {
            let mut draws = [[0; 16]; 50];
            for draw in &mut draws {
                entropy.fill(draw);
            }
            draws
        }
    })
    .await
    .concat();
    let distinct: BTreeSet<&[u8; 16]> = draws.iter().collect();
    assert_eq!(distinct.len(), RACERS * 50);
}
