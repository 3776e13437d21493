use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::rows::FailuresRow;
use keystead_adapters_sql::schema::factor_failures as failures_of;
use keystead_adapters_sql::{Hold, Prepared};
use keystead_application::ports::{BudgetKey, FactorFailureRepository, StoreError};
use keystead_domain::Timestamp;
use keystead_domain::factor::FactorFailures;

use super::{Transaction, count_of, dialect, optional};

#[async_trait]
impl FactorFailureRepository for Transaction {
    async fn hold(&mut self, key: &BudgetKey) -> Result<FactorFailures, StoreError> {
        dialect::hold(self, Hold::Failures(key)).await?;
        let query = failures_of::table.find(&key.0).select(FailuresRow::as_select());
        let row = query.first(self.connection()?).await.optional();
        Ok(optional(self.check(row)?)?.unwrap_or_default())
    }

    async fn put(
        &mut self,
        key: &BudgetKey,
        failures: &FactorFailures,
        forgotten_at: Timestamp,
    ) -> Result<(), StoreError> {
        let row = FailuresRow::new(key, failures, forgotten_at);
        let statement = diesel::insert_into(failures_of::table)
            .values(row.clone())
            .on_conflict(failures_of::key)
            .do_update()
            .set(row);
        let result = Prepared(statement).execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn delete_expired(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let lapsed = dialect::lapsed("factor_failures", "key", ("forgotten_at <=", "forgotten_at"), now);
        let result = diesel::delete(failures_of::table.filter(lapsed)).execute(self.connection()?).await;
        self.check(result).map(count_of)
    }
}
