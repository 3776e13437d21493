use async_trait::async_trait;
use diesel::dsl::case_when;
use diesel::prelude::*;
use diesel::query_dsl::methods;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::Prepared;
use keystead_adapters_sql::schema::guess_budgets as budgets;
use keystead_adapters_sql::types::At;
use keystead_application::ports::{BudgetDecision, BudgetKey, GuessBudgets, StoreError};
use keystead_domain::Timestamp;
use keystead_domain::limits::RatePolicy;

use super::{Transaction, count_of, dialect};

#[async_trait]
impl GuessBudgets for Transaction {
    async fn reserve(
        &mut self,
        key: &BudgetKey,
        policy: &RatePolicy,
        now: Timestamp,
    ) -> Result<BudgetDecision, StoreError> {
        let ends = now.plus(policy.window);
        if policy.limit == 0 {
            return Ok(BudgetDecision::Exhausted { resets_at: ends });
        }
        let ended = || budgets::resets_at.le(At(now));
        let upsert = diesel::insert_into(budgets::table)
            .values((
                budgets::policy.eq(policy.name),
                budgets::key.eq(&key.0),
                budgets::count.eq(1_i64),
                budgets::resets_at.eq(At(ends)),
            ))
            .on_conflict((budgets::policy, budgets::key))
            .do_update()
            .set((
                budgets::count.eq(case_when(ended(), excluded(budgets::count)).otherwise(budgets::count + 1_i64)),
                budgets::resets_at.eq(case_when(ended(), excluded(budgets::resets_at)).otherwise(budgets::resets_at)),
            ));
        // An exhausted budget is left alone, and returns no row.
        let upsert = methods::FilterDsl::filter(upsert, ended().or(budgets::count.lt(i64::from(policy.limit))));
        let count = Prepared(upsert.returning(budgets::count)).get_result::<i64>(self.connection()?).await.optional();
        if let Some(count) = self.check(count)? {
            return Ok(BudgetDecision::Reserved { count: u32::try_from(count).unwrap_or(u32::MAX) });
        }
        let query = budgets::table.find((policy.name, &key.0)).select(budgets::resets_at);
        let resets_at = query.first::<At>(self.connection()?).await;
        Ok(BudgetDecision::Exhausted { resets_at: self.check(resets_at)?.0 })
    }

    async fn release(&mut self, key: &BudgetKey, policy: &RatePolicy) -> Result<(), StoreError> {
        let counted = budgets::table.find((policy.name, &key.0)).filter(budgets::count.gt(0));
        let statement = diesel::update(counted).set(budgets::count.eq(budgets::count - 1_i64));
        let result = Prepared(statement).execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn delete_expired(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let lapsed = dialect::lapsed("guess_budgets", "policy, key", ("resets_at <=", "resets_at"), now);
        let result = diesel::delete(budgets::table.filter(lapsed)).execute(self.connection()?).await;
        self.check(result).map(count_of)
    }
}
