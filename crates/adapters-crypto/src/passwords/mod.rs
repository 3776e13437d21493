//! Argon2id (RFC 9106), as many at once as there are permits, on threads of its own. Hashes other systems made are checked
//! under the same permits.

mod foreign;
mod import;
mod memory;
mod phc;
mod pool;
mod stored;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, Version};
use async_trait::async_trait;
use keystead_application::ports::{Entropy, HashError, PasswordHasher};
use keystead_domain::SecretBytes;
use keystead_domain::account::{Password, PasswordHash};
use thiserror::Error;

pub use import::ForeignHashes;
use memory::Memory;
use phc::{Failed, SALT_BYTES, TAG_BYTES};
pub use pool::HashPool;
use pool::Pool;
use stored::Stored;

/// A thread without work gives its memory back after this long. Taking it again costs the next hash a few per cent.
const IDLE: Duration = Duration::from_secs(5);

/// Cost of new hashes, and how many are made at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Config {
    /// Memory of one hash, in KiB; at least 8 per lane.
    pub memory_kib: u32,
    /// Passes over the memory; at least 1.
    pub passes: u32,
    /// Lanes; at least 1. They are computed one after the other.
    pub lanes: u32,
    /// Hashes that run at once, each on a thread of its own; at least 1.
    pub permits: usize,
    /// Hashes that may wait for a thread.
    pub queue: usize,
}

/// The hasher could not be made.
#[derive(Debug, Error)]
pub enum Argon2ConfigError {
    /// Argon2 does not allow these parameters, or there is no permit.
    #[error("the Argon2 parameters are not valid: {0}")]
    Parameters(String),
    /// The system refused a thread.
    #[error("no thread for hashing passwords: {0}")]
    Thread(#[from] std::io::Error),
}

/// Hashes passwords with Argon2id version 19: 16 random bytes of salt, 32 bytes of tag, PHC strings. Checks those, and what
/// [`ForeignHashes`] reads.
///
/// Beyond `permits` running and `queue` waiting hashes it answers [`HashError::Busy`] at once. A caller that leaves
/// before its hash began costs nothing. Dropping the hasher and all its [`HashPool`]s fails what waits, finishes what runs,
/// and ends the threads; it blocks for that long.
pub struct Argon2Hasher {
    pool: Arc<Pool>,
    params: Params,
    entropy: Arc<dyn Entropy>,
    hashes: Arc<AtomicU64>,
    dummy: PasswordHash,
    room: usize,
}

impl fmt::Debug for Argon2Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Argon2Hasher").field("params", &self.params).finish_non_exhaustive()
    }
}

impl Argon2Hasher {
    /// Starts the threads. Memory is taken by the first hash of each, and given back after five idle seconds.
    pub fn try_new(config: Argon2Config, entropy: Arc<dyn Entropy>) -> Result<Self, Argon2ConfigError> {
        let Argon2Config { memory_kib, passes, lanes, permits, queue } = config;
        if permits == 0 {
            return Err(Argon2ConfigError::Parameters("at least one permit is needed".to_owned()));
        }
        let params = Params::new(memory_kib, passes, lanes, Some(TAG_BYTES))
            .map_err(|error| Argon2ConfigError::Parameters(error.to_string()))?;
        let (mut salt, mut tag) = ([0; SALT_BYTES], [0; TAG_BYTES]);
        entropy.fill(&mut salt);
        // A random tag has no password that anybody could find.
        entropy.fill(&mut tag);
        let dummy = PasswordHash::new(phc::encode(&params, &salt, &tag));
        if Stored::parse(dummy.as_str()).is_none() {
            let limits = "at most 256 MiB of memory, 20 passes, 16 lanes, and 1 GiB in all passes together";
            return Err(Argon2ConfigError::Parameters(limits.to_owned()));
        }
        let pool = Arc::new(Pool::try_new(permits, queue, params.block_count(), IDLE)?);
        Ok(Self { pool, params, entropy, hashes: Arc::default(), dummy, room: queue })
    }

    /// The threads and the queue, for what has to share them.
    pub fn pool(&self) -> HashPool {
        HashPool(Arc::clone(&self.pool))
    }

    /// How many hashes, and whatever else shares the threads, run now.
    pub fn running(&self) -> usize {
        self.pool.running()
    }

    /// How many hashes and other jobs wait now.
    pub fn queued(&self) -> usize {
        self.pool.queued()
    }

    /// How many may wait at most.
    pub fn room(&self) -> usize {
        self.room
    }

    /// How many hashes were begun since the start: new ones, checks and dummies.
    pub fn total(&self) -> u64 {
        self.hashes.load(Ordering::Relaxed)
    }

    /// Takes a permit, waiting in the queue for one, and runs one hash under it.
    async fn run<T: Send + 'static>(
        &self,
        password: &Password,
        hash: impl FnOnce(&[u8], &mut Memory) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, HashError> {
        let password = SecretBytes::new(password.expose().as_bytes().to_vec());
        let hashes = Arc::clone(&self.hashes);
        let work = move |memory: &mut Memory| {
            hashes.fetch_add(1, Ordering::Relaxed);
            hash(password.expose(), memory)
        };
        let result = self.pool.submit(work).map_err(|full| HashError::Busy { retry_after: full.retry_after })?;
        result.await.map_err(|_| HashError::Failed)?.map_err(|Failed| HashError::Failed)
    }
}

#[async_trait]
impl PasswordHasher for Argon2Hasher {
    async fn hash(&self, password: &Password) -> Result<PasswordHash, HashError> {
        let mut salt = [0; SALT_BYTES];
        self.entropy.fill(&mut salt);
        let params = self.params.clone();
        let hash = move |password: &[u8], memory: &mut Memory| {
            let mut tag = [0; TAG_BYTES];
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
            phc::compute(&argon2, password, &salt, &mut tag, memory)?;
            Ok(PasswordHash::new(phc::encode(&params, &salt, &tag)))
        };
        self.run(password, hash).await
    }

    async fn verify(&self, password: &Password, hash: &PasswordHash) -> Result<bool, HashError> {
        let stored = Stored::parse(hash.as_str()).ok_or(HashError::Failed)?;
        self.run(password, move |password, memory| stored.matches(password, memory)).await
    }

    async fn verify_dummy(&self, password: &Password) -> Result<(), HashError> {
        // The very path of a real check, parsing included.
        self.verify(password, &self.dummy).await.map(drop)
    }

    fn needs_rehash(&self, hash: &PasswordHash) -> bool {
        Stored::parse(hash.as_str()).is_none_or(|stored| !stored.is_current(&self.params))
    }
}
