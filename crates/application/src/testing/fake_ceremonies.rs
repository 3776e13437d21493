use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use keystead_domain::{SecretBytes, Timestamp};

use super::lock;
use crate::ports::{CeremonyKey, CeremonyStore, EphemeralError};

#[derive(Debug)]
struct Ceremony {
    state: SecretBytes,
    expires_at: Timestamp,
}

impl Ceremony {
    fn new(state: &[u8], expires_at: Timestamp) -> Self {
        Self { state: SecretBytes::new(state.to_vec()), expires_at }
    }
}

/// Ceremonies in memory. Every operation holds one lock from its look to its change.
#[derive(Debug, Default)]
pub struct FakeCeremonies(Mutex<HashMap<CeremonyKey, Ceremony>>);

impl FakeCeremonies {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

fn is_alive(ceremonies: &HashMap<CeremonyKey, Ceremony>, key: &CeremonyKey, now: Timestamp) -> bool {
    ceremonies.get(key).is_some_and(|ceremony| now < ceremony.expires_at)
}

#[async_trait]
impl CeremonyStore for FakeCeremonies {
    async fn insert(
        &self,
        key: &CeremonyKey,
        state: &[u8],
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool, EphemeralError> {
        let mut ceremonies = lock(&self.0);
        let free = !is_alive(&ceremonies, key, now);
        if free {
            ceremonies.insert(key.clone(), Ceremony::new(state, expires_at));
        }
        Ok(free)
    }

    async fn find(&self, key: &CeremonyKey, now: Timestamp) -> Result<Option<SecretBytes>, EphemeralError> {
        let ceremonies = lock(&self.0);
        Ok(ceremonies.get(key).filter(|ceremony| now < ceremony.expires_at).map(|ceremony| ceremony.state.clone()))
    }

    async fn take(&self, key: &CeremonyKey, now: Timestamp) -> Result<Option<SecretBytes>, EphemeralError> {
        let mut ceremonies = lock(&self.0);
        if !is_alive(&ceremonies, key, now) {
            return Ok(None);
        }
        Ok(ceremonies.remove(key).map(|ceremony| ceremony.state))
    }

    async fn overwrite(
        &self,
        key: &CeremonyKey,
        state: &[u8],
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool, EphemeralError> {
        let mut ceremonies = lock(&self.0);
        let alive = is_alive(&ceremonies, key, now);
        if alive {
            ceremonies.insert(key.clone(), Ceremony::new(state, expires_at));
        }
        Ok(alive)
    }
}
