use std::sync::Arc;

use async_trait::async_trait;
use deadpool_redis::redis;
use keystead_application::ports::{CeremonyKey, CeremonyStore, EphemeralError};
use keystead_domain::{SecretBytes, Timestamp};

use crate::connection::{Repeat, Script};
use crate::keys::time_to_live;
use crate::link::Link;

static INSERT: Script = Script::new(include_str!("scripts/ceremony_insert.lua"));
static OVERWRITE: Script = Script::new(include_str!("scripts/ceremony_overwrite.lua"));
static TAKE: Script = Script::new(include_str!("scripts/ceremony_take.lua"));

/// Take-once state in Redis. Cheap to clone.
///
/// What was taken is gone before the answer is sent. An answer that is lost is an error, and the ceremony dead.
#[derive(Clone)]
pub struct RedisCeremonies {
    link: Arc<Link>,
}

impl RedisCeremonies {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }

    async fn put(
        &self,
        script: &Script,
        key: &CeremonyKey,
        state: &[u8],
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool, EphemeralError> {
        let name = self.link.keys.ceremony(key);
        let arguments =
            [now.as_micros().into(), expires_at.as_micros().into(), time_to_live(now, expires_at).into(), state.into()];
        self.link.within(script.run(&self.link.route, &[&name], &arguments, Repeat::Never)).await
    }
}

#[async_trait]
impl CeremonyStore for RedisCeremonies {
    async fn insert(
        &self,
        key: &CeremonyKey,
        state: &[u8],
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool, EphemeralError> {
        self.put(&INSERT, key, state, now, expires_at).await
    }

    async fn find(&self, key: &CeremonyKey, now: Timestamp) -> Result<Option<SecretBytes>, EphemeralError> {
        let name = self.link.keys.ceremony(key);
        let mut command = redis::cmd("HMGET");
        command.arg(&name).arg(&["expires_at", "state"]);
        let found = self.link.within(self.link.route.call(&name, &command, Repeat::Safe)).await?;
        let (expires_at, state): (Option<i64>, Option<Vec<u8>>) = found;
        let alive = expires_at.is_some_and(|end| Timestamp::from_micros(end) > now);
        Ok(state.map(SecretBytes::new).filter(|_| alive))
    }

    async fn take(&self, key: &CeremonyKey, now: Timestamp) -> Result<Option<SecretBytes>, EphemeralError> {
        let name = self.link.keys.ceremony(key);
        let arguments = [now.as_micros().into()];
        let keys = [name.as_str()];
        let taking = TAKE.run::<Option<Vec<u8>>>(&self.link.route, &keys, &arguments, Repeat::Never);
        Ok(self.link.within(taking).await?.map(SecretBytes::new))
    }

    async fn overwrite(
        &self,
        key: &CeremonyKey,
        state: &[u8],
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool, EphemeralError> {
        self.put(&OVERWRITE, key, state, now, expires_at).await
    }
}
