//! The fakes keep the same contracts as the real adapters, so a test that passes on a fake means something.

use std::time::Duration;

use keystead_application::testing::{FakeCeremonies, FakeRateLimiter, FakeRevocationFeed, FakeSessions, FakeStore};
use keystead_testkit::Harness;

async fn make_store() -> Harness<FakeStore> {
    Harness::new(FakeStore::new().with_acquire_timeout(Duration::from_secs(2)))
}

keystead_testkit::store_contracts!(make_store());
keystead_testkit::session_contracts!(async { Harness::new(FakeSessions::new()) });
keystead_testkit::ceremony_contracts!(async { Harness::new(FakeCeremonies::new()) });
keystead_testkit::rate_limiter_contracts!(async { Harness::new(FakeRateLimiter::new()) });
keystead_testkit::revocation_feed_contracts!(async { Harness::new(FakeRevocationFeed::new()) });
