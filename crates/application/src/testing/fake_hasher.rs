use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use keystead_domain::account::{Password, PasswordHash};

use super::lock;
use crate::ports::{HashError, PasswordHasher};

/// Hashes by writing the password down: instant, readable, and counted. Never outside tests.
#[derive(Debug, Default)]
pub struct FakeHasher {
    hashes: AtomicUsize,
    verifications: AtomicUsize,
    dummies: AtomicUsize,
    busy: Mutex<Option<Duration>>,
}

impl FakeHasher {
    /// What every hash of this hasher begins with.
    pub const PREFIX: &'static str = "$fake$";
    /// What a hash made with older parameters begins with; it verifies and wants to be made again.
    pub const OLD_PREFIX: &'static str = "$fake-old$";

    /// A hasher that was not called yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on every call answers `Busy`; `None` ends it.
    pub fn set_busy(&self, retry_after: Option<Duration>) {
        *lock(&self.busy) = retry_after;
    }

    /// Calls of `hash` that were not refused.
    pub fn hashes(&self) -> usize {
        self.hashes.load(Ordering::SeqCst)
    }

    /// Calls of `verify` that were not refused.
    pub fn verifications(&self) -> usize {
        self.verifications.load(Ordering::SeqCst)
    }

    /// Calls of `verify_dummy` that were not refused.
    pub fn dummies(&self) -> usize {
        self.dummies.load(Ordering::SeqCst)
    }

    /// Times the memory-hard function would have run: what equal work is counted in.
    pub fn work(&self) -> usize {
        self.hashes() + self.verifications() + self.dummies()
    }

    fn permit(&self, counter: &AtomicUsize) -> Result<(), HashError> {
        if let Some(retry_after) = *lock(&self.busy) {
            return Err(HashError::Busy { retry_after });
        }
        counter.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[async_trait]
impl PasswordHasher for FakeHasher {
    async fn hash(&self, password: &Password) -> Result<PasswordHash, HashError> {
        self.permit(&self.hashes)?;
        Ok(super::fake_hash(password.expose()))
    }

    async fn verify(&self, password: &Password, hash: &PasswordHash) -> Result<bool, HashError> {
        self.permit(&self.verifications)?;
        let text = hash.as_str();
        let written = text.strip_prefix(Self::PREFIX).or_else(|| text.strip_prefix(Self::OLD_PREFIX));
        Ok(written.ok_or(HashError::Failed)? == password.expose())
    }

    async fn verify_dummy(&self, _password: &Password) -> Result<(), HashError> {
        self.permit(&self.dummies)
    }

    fn needs_rehash(&self, hash: &PasswordHash) -> bool {
        !hash.as_str().starts_with(Self::PREFIX)
    }
}
