use std::sync::Arc;
use std::time::Duration;

use keystead_domain::audit::AuditEventName;
use keystead_domain::{Timestamp, limits};

use crate::context::RequestContext;
use crate::failure::Failure;
use crate::ports::{Clock, KeyRing, KeyUse, SealError, Store, StoredKey};
use crate::service::record;

/// A key, without its secret part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOverview {
    /// The key as stored; `sealed` is empty.
    pub key: StoredKey,
    /// Whether it signs now.
    pub active: bool,
}

/// Makes, rotates and re-reads keys. Keys are rows in the store, sealed by the master key, so that every replica serves
/// the same ones.
///
/// ```text
/// made ── published, verifies ── 60 s ──> signs ── newer key signs ──> verifies ── one token life ──> gone
/// ```
pub struct KeyKeeper {
    store: Arc<dyn Store>,
    ring: Arc<dyn KeyRing>,
    clock: Arc<dyn Clock>,
    access_life: Duration,
    session_life: Duration,
}

impl KeyKeeper {
    /// A keeper.
    pub fn new(
        store: Arc<dyn Store>,
        ring: Arc<dyn KeyRing>,
        clock: Arc<dyn Clock>,
        access_life: Duration,
        session_life: Duration,
    ) -> Self {
        Self { store, ring, clock, access_life, session_life }
    }

    /// Loads the keys and makes those that are missing, or of another algorithm than configured; they sign at once. For
    /// the start of the process. Of replicas that start together one makes them and the others load its.
    pub async fn ensure(&self) -> Result<(), Failure> {
        self.reload().await?;
        if KeyUse::ALL.into_iter().all(|key_use| self.ring.serves(key_use)) {
            return Ok(());
        }
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        // Another process may have been quicker: what counts is what is there under the lock.
        tx.keys().lock().await?;
        self.ring.load(&tx.keys().list(now).await?).map_err(broken)?;
        for key_use in KeyUse::ALL.into_iter().filter(|key_use| !self.ring.serves(*key_use)) {
            let key = self.ring.generate(key_use, now, now).map_err(broken)?;
            tx.keys().insert(&key, self.end_of_older(key_use, now)).await?;
        }
        let keys = tx.keys().list(now).await?;
        tx.commit().await?;
        self.ring.load(&keys).map_err(broken)
    }

    /// Adds a new key of each use. It is published now and signs in a minute; older ones go on verifying what they signed.
    pub async fn rotate(&self, uses: &[KeyUse]) -> Result<Vec<StoredKey>, Failure> {
        let now = self.clock.now();
        let active_from = now.plus(limits::KEY_PREPUBLISH);
        let mut tx = self.store.begin().await?;
        tx.keys().lock().await?;
        let mut made = Vec::new();
        for key_use in uses {
            let key = self.ring.generate(*key_use, now, active_from).map_err(broken)?;
            tx.keys().insert(&key, self.end_of_older(*key_use, active_from)).await?;
            made.push(key);
        }
        record(&mut *tx, AuditEventName::KeyRotated, (None, None), None, &RequestContext::default(), now).await?;
        tx.commit().await?;
        Ok(made)
    }

    /// Loads the keys as they are in the store. Call every [`limits::KEY_POLL`].
    pub async fn reload(&self) -> Result<(), Failure> {
        let keys = self.store.read().await?.keys().list(self.clock.now()).await?;
        self.ring.load(&keys).map_err(broken)
    }

    /// The keys there are, oldest first.
    pub async fn list(&self) -> Result<Vec<KeyOverview>, Failure> {
        let now = self.clock.now();
        let keys = self.store.read().await?.keys().list(now).await?;
        let newest = |key: &StoredKey| {
            keys.iter()
                .filter(|other| other.key_use == key.key_use && other.active_from <= now)
                .max_by_key(|other| other.active_from)
                .is_some_and(|other| other.id == key.id)
        };
        let overview =
            |key: &StoredKey| KeyOverview { active: newest(key), key: StoredKey { sealed: Vec::new(), ..key.clone() } };
        Ok(keys.iter().map(overview).collect())
    }

    /// When an older key of the same use stops verifying: one life of what it signed after the new one takes over.
    fn end_of_older(&self, key_use: KeyUse, active_from: Timestamp) -> Timestamp {
        let life = match key_use {
            KeyUse::SignAccess => self.access_life,
            KeyUse::SignPreAuthorized => limits::RESET_GRANT_LIFE,
            KeyUse::SignStepUp => limits::STEP_UP_LIFE,
            KeyUse::Mac => self.session_life,
            // What it sealed is sealed again under the new key, row by row; until then both must open.
            KeyUse::Seal => limits::SEAL_KEY_LIFE,
            // What it sealed is checked until the policy of the audit log deletes it.
            KeyUse::Audit => limits::AUDIT_KEY_LIFE,
        };
        active_from.plus(life + limits::LEEWAY * 2)
    }
}

fn broken(error: SealError) -> Failure {
    Failure::Internal(format!("{error}: is this the master key the database was made with?"))
}

#[cfg(test)]
mod tests;
