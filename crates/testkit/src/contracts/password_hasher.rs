//! `PasswordHasher`.

use std::sync::Arc;

use keystead_application::ports::{HashError, PasswordHasher};
use keystead_domain::account::{Password, PasswordHash};

use crate::race::race;

/// Tests the contracts of [`PasswordHasher`](keystead_application::ports::PasswordHasher) that need no knowledge of its
/// queue: how many wait before `Busy` is tested where that is set. The expression is a future of a
/// [`Harness`](crate::Harness) whose subject takes at least 8 passwords at once.
#[macro_export]
macro_rules! password_hasher_contracts {
    ($make:expr) => {
        $crate::contract_tests!(
            password_hasher,
            dyn $crate::ports::PasswordHasher,
            $make,
            [
                only_the_password_itself_verifies,
                a_fresh_hash_needs_no_rehash,
                dummy_work_succeeds_for_any_password,
                a_malformed_hash_is_a_failure_not_a_mismatch,
                passwords_hashed_in_parallel_do_not_mix,
            ]
        );
    };
}

fn password(text: &str) -> Password {
    Password::for_verification(text).expect("not too long")
}

/// Exactly what was hashed verifies: no truncation, no folding, no trimming.
pub async fn only_the_password_itself_verifies(hasher: Arc<dyn PasswordHasher>) {
    let long = "x".repeat(127);
    for (text, others) in [
        ("correct horse", ["Correct horse", "correct horse ", "correct hors", ""]),
        (long.as_str(), [&long[1..], &format!("{long}x"), &long[..72], "x"]),
        ("pass\0word", ["pass", "pass\0", "pass\0wore", "password"]),
        ("🦀🦀🦀🦀🦀🦀🦀🦀", ["🦀🦀🦀🦀🦀🦀🦀", "????????", "🦀", " "]),
    ] {
        let hash = hasher.hash(&password(text)).await.unwrap();
        assert_eq!(hasher.verify(&password(text), &hash).await, Ok(true));
        for other in others {
            assert_eq!(hasher.verify(&password(other), &hash).await, Ok(false), "{other:?}");
        }
    }
}

/// New hashes have today's parameters.
pub async fn a_fresh_hash_needs_no_rehash(hasher: Arc<dyn PasswordHasher>) {
    let hash = hasher.hash(&password("correct horse")).await.unwrap();
    assert!(!hasher.needs_rehash(&hash));
}

/// The work for an account that does not exist fails for nothing but a lack of permits.
pub async fn dummy_work_succeeds_for_any_password(hasher: Arc<dyn PasswordHasher>) {
    for text in ["correct horse", "", "\0", &"🦀".repeat(128)] {
        assert_eq!(hasher.verify_dummy(&password(text)).await, Ok(()));
    }
}

/// A stored hash nobody can read is told apart from a wrong password.
pub async fn a_malformed_hash_is_a_failure_not_a_mismatch(hasher: Arc<dyn PasswordHasher>) {
    for text in ["", "plain", "$argon2id$", "$argon2id$v=19$m=1,t=1,p=1$$", "$unknown$v=1$abc$def"] {
        let verified = hasher.verify(&password("correct horse"), &PasswordHash::new(text.to_owned())).await;
        assert_eq!(verified, Err(HashError::Failed), "{text:?}");
    }
}

/// Hashes made at the same time belong each to its own password.
pub async fn passwords_hashed_in_parallel_do_not_mix(hasher: Arc<dyn PasswordHasher>) {
    let made = race(8, |number| {
        let hasher = Arc::clone(&hasher);
        async move { hasher.hash(&password(&format!("password {number}"))).await.unwrap() }
    })
    .await;
    for (number, hash) in made.iter().enumerate() {
        let next = (number + 1) % made.len();
        assert_eq!(hasher.verify(&password(&format!("password {number}")), hash).await, Ok(true));
        assert_eq!(hasher.verify(&password(&format!("password {next}")), hash).await, Ok(false));
    }
}
