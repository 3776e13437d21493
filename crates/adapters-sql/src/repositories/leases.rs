use async_trait::async_trait;
use diesel::prelude::*;
use diesel::query_dsl::methods;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::Prepared;
use keystead_adapters_sql::schema::leases;
use keystead_adapters_sql::types::At;
use keystead_application::ports::{LeaseRepository, StoreError};
use keystead_domain::Timestamp;

use super::Transaction;

#[async_trait]
impl LeaseRepository for Transaction {
    async fn acquire(
        &mut self,
        name: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let upsert = diesel::insert_into(leases::table)
            .values((leases::name.eq(name), leases::holder.eq(holder), leases::until.eq(At(until))))
            .on_conflict(leases::name)
            .do_update()
            .set((leases::holder.eq(excluded(leases::holder)), leases::until.eq(excluded(leases::until))));
        // Somebody else's lease is left alone, and changes no row.
        let free = leases::holder.eq(excluded(leases::holder)).or(leases::until.le(At(now)));
        let statement = methods::FilterDsl::filter(upsert, free);
        let result = Prepared(statement).execute(self.connection()?).await;
        self.check(result).map(|rows| rows > 0)
    }

    async fn release(&mut self, name: &str, holder: &str) -> Result<(), StoreError> {
        let own = leases::table.find(name).filter(leases::holder.eq(holder));
        let result = diesel::delete(own).execute(self.connection()?).await;
        self.check(result).map(drop)
    }
}
