//! The fakes keep the same contracts as the real adapters, so a test that passes on a fake means something.

use std::time::Duration;

use keystead_application::testing::{
    CountingEntropy, FakeCeremonies, FakeHasher, FakeKeyedHash, FakeRateLimiter, FakeRevocationFeed, FakeSealer,
    FakeSessions, FakeStore, FakeTokens,
};
use keystead_testkit::Harness;

keystead_testkit::store_contracts!(async {
    Harness::new(FakeStore::new().with_acquire_timeout(Duration::from_secs(2)))
});
keystead_testkit::session_contracts!(async { Harness::new(FakeSessions::new()) });
keystead_testkit::ceremony_contracts!(async { Harness::new(FakeCeremonies::new()) });
keystead_testkit::rate_limiter_contracts!(async { Harness::new(FakeRateLimiter::new()) });
keystead_testkit::revocation_feed_contracts!(async { Harness::new(FakeRevocationFeed::new()) });
keystead_testkit::sealer_contracts!(async { Harness::new(FakeSealer) });
keystead_testkit::keyed_hash_contracts!(async { Harness::new(FakeKeyedHash::new()) });
keystead_testkit::token_contracts!(async { Harness::new(FakeTokens::new()) });
keystead_testkit::password_hasher_contracts!(async { Harness::new(FakeHasher::new()) });
keystead_testkit::entropy_contracts!(async { Harness::new(CountingEntropy::default()) });
