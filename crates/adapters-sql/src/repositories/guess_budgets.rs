//! Counters are kept as the fixed windows they once were, hits and an end, and read as one point in time
//! ([`Gcra::of_window`]): as if all hits of the window had come at its beginning. So
//!
//! - a hit counts one on, as it always did; one that takes what came back into a full window moves its end on instead;
//! - a row that ends later than any tolerated clock explains is nobody's, and overwritten ([`Gcra::standing`]);
//! - a row that a version with fixed windows wrote means what it meant, and such a version reads ours as a window that is
//!   never shorter than it would have made it: replicas of both may count in one row.

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
use keystead_domain::limits::{Gcra, RatePolicy};

use super::{Transaction, count_of, dialect};

const TABLE: &str = "guess_budgets";

/// The counter of a row.
fn counter(policy: &RatePolicy, (count, resets_at): (i64, At)) -> Gcra {
    Gcra::of_window(policy, u32::try_from(count).unwrap_or(u32::MAX), resets_at.0)
}

#[async_trait]
impl GuessBudgets for Transaction {
    async fn reserve(
        &mut self,
        key: &BudgetKey,
        policy: &RatePolicy,
        now: Timestamp,
    ) -> Result<BudgetDecision, StoreError> {
        let ends = now.plus(policy.refill());
        if policy.limit == 0 {
            return Ok(BudgetDecision::Exhausted { again_at: now.plus(policy.window) });
        }
        let free_by = |time: Timestamp| dialect::free_at(TABLE, policy).le(At(time));
        let has_room = || budgets::count.lt(i64::from(policy.limit));
        let is_nobodys = || budgets::resets_at.gt(At(policy.latest_end(now)));
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
                budgets::count.eq(case_when(free_by(now).or(is_nobodys()), excluded(budgets::count))
                    .when(has_room(), budgets::count + 1_i64)
                    .otherwise(i64::from(policy.limit))),
                budgets::resets_at.eq(case_when(free_by(now).or(is_nobodys()), excluded(budgets::resets_at))
                    .when(has_room(), budgets::resets_at)
                    .otherwise(dialect::end_of_full(TABLE, policy))),
            ));
        // An exhausted budget is left alone, and returns no row.
        let upsert = methods::FilterDsl::filter(upsert, free_by(ends.minus(policy.interval())).or(is_nobodys()));
        let upsert = Prepared(upsert.returning((budgets::count, budgets::resets_at)));
        let counted = upsert.get_result::<(i64, At)>(self.connection()?).await.optional();
        if let Some(row) = self.check(counted)? {
            return Ok(BudgetDecision::Reserved { count: counter(policy, row).taken(policy, now) });
        }
        let query = budgets::table.find((policy.name, &key.0)).select((budgets::count, budgets::resets_at));
        let row = query.first::<(i64, At)>(self.connection()?).await;
        let again_at = counter(policy, self.check(row)?).again_at(policy).unwrap_or(now);
        Ok(BudgetDecision::Exhausted { again_at })
    }

    async fn release(&mut self, key: &BudgetKey, policy: &RatePolicy) -> Result<(), StoreError> {
        let counted = budgets::table.find((policy.name, &key.0)).filter(budgets::count.gt(0));
        let statement = diesel::update(counted).set(budgets::count.eq(budgets::count - 1_i64));
        let result = Prepared(statement).execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn delete_expired(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let lapsed = dialect::lapsed(TABLE, "policy, key", ("resets_at <=", "resets_at"), now);
        let result = diesel::delete(budgets::table.filter(lapsed)).execute(self.connection()?).await;
        self.check(result).map(count_of)
    }
}
