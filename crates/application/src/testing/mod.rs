//! For tests of business rules: mocks, fakes and ready-made values.
//!
//! - [`MockTx`] and [`MockStore`]: one mock per repository, and the answer to "was it committed?"
//! - `Fake…`: small in-memory implementations that pass the same contract suites as the real adapters.
//! - `a_user()`, `a_session()`, …: values to change by struct update.
#![expect(clippy::panic, reason = "a test that misuses a helper must fail, and say why")]

mod builders;
mod credential_builders;
mod factor_builders;
mod fake_ceremonies;
mod fake_crypto;
mod fake_factors;
mod fake_hasher;
mod fake_mailbox;
mod fake_rate_limiter;
mod fake_revocation_feed;
mod fake_sessions;
mod fake_srp;
mod fake_store;
mod fake_tokens;
mod fake_world;
mod mock_store;

pub use builders::{
    START, a_device, a_key, a_link_token, a_login, a_mac_tag, a_mail, a_message, a_presentation, a_refresh_policy,
    a_registration, a_revocation, a_session, a_super_admin, a_user, access_claims, after, an_actor, an_admin,
    an_audit_event, email, fake_hash, key_id, pre_authorized_claims, session_id, session_number, token_id, user_id,
    user_number, username,
};
pub use credential_builders::{
    a_presence, a_social_identity, a_stored_srp, an_attendance, an_srp_credential, local_date, provider, subject,
};
pub use factor_builders::{
    a_contact_undo, a_passkey, a_pending_contact, a_recovery_code, a_totp, contact, contact_id, passkey_number, phone,
};
pub use fake_ceremonies::FakeCeremonies;
pub use fake_crypto::{FakeKeyedHash, FakeSealer};
pub use fake_factors::{FakeAnswer, FakePasskeys, FakeTotp, FakeVault};
pub use fake_hasher::FakeHasher;
pub use fake_mailbox::FakeMailbox;
pub use fake_rate_limiter::FakeRateLimiter;
pub use fake_revocation_feed::FakeRevocationFeed;
pub use fake_sessions::FakeSessions;
pub use fake_srp::FakeSrp;
pub use fake_store::{
    Attendances, Audit, Budgets, Contacts, Devices, Factors, Failures, FakeStore, Keys, Leases, LinkTokens, Logins,
    Messages, OutboxRow, Registrations, Revocations, Social, Srp, StoreState, UserRow, Users,
};
pub use fake_tokens::FakeTokens;
pub use fake_world::{CountingEntropy, FixedClock};
pub use mock_store::{MockStore, MockTx, Outcome};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks; a panic of another test thread does not matter here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
