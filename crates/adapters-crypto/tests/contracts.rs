//! The real cryptography keeps the contracts its fakes keep.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;

use keystead_adapters_crypto::{
    Argon2Config, Argon2Hasher, JoseKeyRing, KeyRingConfig, MasterKeySealer, OsEntropy, SigningAlgorithm, SystemClock,
};
use keystead_application::ports::{Clock as _, KeyRing as _, KeyUse, Sealer};
use keystead_domain::SecretBytes;
use keystead_testkit::Harness;

fn sealer() -> MasterKeySealer {
    MasterKeySealer::try_new(&SecretBytes::new(vec![7; 32]), Arc::new(OsEntropy)).unwrap()
}

/// A ring with one key of each use.
fn ring(algorithm: SigningAlgorithm) -> JoseKeyRing {
    let config = KeyRingConfig {
        issuer: "https://id.example.com".into(),
        access_audience: "api".into(),
        self_audience: "https://id.example.com/api/v1/auth".into(),
        algorithm,
        cache_capacity: 100,
    };
    let ring =
        JoseKeyRing::new(config, Arc::new(sealer()) as Arc<dyn Sealer>, Arc::new(OsEntropy), Arc::new(SystemClock));
    let now = SystemClock.now();
    let keys: Vec<_> = KeyUse::ALL.into_iter().map(|key_use| ring.generate(key_use, now, now).unwrap()).collect();
    ring.load(&keys).unwrap();
    ring
}

keystead_testkit::entropy_contracts!(async { Harness::new(OsEntropy) });
keystead_testkit::sealer_contracts!(async { Harness::new(sealer()) });
keystead_testkit::keyed_hash_contracts!(async { Harness::new(ring(SigningAlgorithm::EdDsa)) });
keystead_testkit::password_hasher_contracts!(async {
    // Cheap parameters: the contracts are about behaviour, not about cost.
    let config = Argon2Config { memory_kib: 64, passes: 1, lanes: 1, permits: 2, queue: 64 };
    Harness::new(Argon2Hasher::try_new(config, Arc::new(OsEntropy)).unwrap())
});

mod eddsa {
    use super::*;
    keystead_testkit::token_contracts!(async { Harness::new(ring(SigningAlgorithm::EdDsa)) });
}

mod hs384 {
    use super::*;
    keystead_testkit::token_contracts!(async { Harness::new(ring(SigningAlgorithm::Hs384)) });
}

mod es512 {
    use super::*;
    keystead_testkit::token_contracts!(async { Harness::new(ring(SigningAlgorithm::Es512)) });
}
