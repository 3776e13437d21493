use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::rows::SrpRow;
use keystead_adapters_sql::schema::srp_credentials as srp;
use keystead_adapters_sql::types::Uid;
use keystead_adapters_sql::{Hold, Prepared};
use keystead_application::ports::{SrpRepository, StoreError, StoredSrp};
use keystead_domain::account::UserId;

use super::{Transaction, dialect, domain, optional};

#[async_trait]
impl SrpRepository for Transaction {
    async fn get(&mut self, user: UserId) -> Result<Option<StoredSrp>, StoreError> {
        let query = srp::table.find(Uid(user)).select(SrpRow::as_select());
        let row = query.first(self.connection()?).await.optional();
        optional(self.check(row)?)
    }

    async fn put(&mut self, credential: &StoredSrp) -> Result<(), StoreError> {
        dialect::hold(self, Hold::User(credential.user_id)).await?;
        let row = SrpRow::from(credential);
        let statement =
            diesel::insert_into(srp::table).values(row.clone()).on_conflict(srp::user_id).do_update().set(row);
        let result = Prepared(statement).execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn delete(&mut self, user: UserId) -> Result<bool, StoreError> {
        dialect::hold(self, Hold::User(user)).await?;
        let result = diesel::delete(srp::table.find(Uid(user))).execute(self.connection()?).await;
        self.check(result).map(|rows| rows > 0)
    }

    async fn list(&mut self, after: Option<UserId>, size: u32) -> Result<Vec<StoredSrp>, StoreError> {
        let query = srp::table.order(srp::user_id).limit(i64::from(size)).select(SrpRow::as_select());
        let rows = match after {
            Some(after) => query.filter(srp::user_id.gt(Uid(after))).load(self.connection()?).await,
            None => query.load(self.connection()?).await,
        };
        domain::<SrpRow, _>(self.check(rows)?)
    }
}
