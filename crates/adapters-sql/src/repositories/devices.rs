use async_trait::async_trait;
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::Prepared;
use keystead_adapters_sql::schema::devices;
use keystead_adapters_sql::types::{At, Uid};
use keystead_application::ports::{DeviceRepository, StoreError};
use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::token::DeviceTokenHash;

use super::{Transaction, count_of, dialect};

#[async_trait]
impl DeviceRepository for Transaction {
    async fn is_known(&mut self, user: UserId, hash: DeviceTokenHash, now: Timestamp) -> Result<bool, StoreError> {
        let alive = devices::table.find((Uid(user), hash.0.to_vec())).filter(devices::expires_at.gt(At(now)));
        let found = diesel::select(exists(alive)).get_result::<bool>(self.connection()?).await;
        self.check(found)
    }

    async fn remember(
        &mut self,
        user: UserId,
        hash: DeviceTokenHash,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let statement = diesel::insert_into(devices::table)
            .values((
                devices::user_id.eq(Uid(user)),
                devices::hash.eq(hash.0.to_vec()),
                devices::created_at.eq(At(now)),
                devices::expires_at.eq(At(expires_at)),
            ))
            .on_conflict((devices::user_id, devices::hash))
            .do_update()
            .set(devices::expires_at.eq(At(expires_at)));
        let result = Prepared(statement).execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn forget_all(&mut self, user: UserId) -> Result<(), StoreError> {
        let statement = diesel::delete(devices::table.filter(devices::user_id.eq(Uid(user))));
        let result = statement.execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn delete_expired(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let lapsed = dialect::lapsed("devices", "user_id, hash", ("expires_at <=", "expires_at"), now);
        let result = diesel::delete(devices::table.filter(lapsed)).execute(self.connection()?).await;
        self.check(result).map(count_of)
    }
}
