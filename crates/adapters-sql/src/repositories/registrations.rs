use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::Hold;
use keystead_adapters_sql::rows::RegistrationRow;
use keystead_adapters_sql::schema::pending_registrations as claims;
use keystead_adapters_sql::types::{At, Uid};
use keystead_application::ports::{RegistrationRepository, StoreError};
use keystead_domain::Timestamp;
use keystead_domain::account::{PendingRegistration, UserId};

use super::{Transaction, count_of, dialect, optional};

#[async_trait]
impl RegistrationRepository for Transaction {
    async fn insert(&mut self, registration: &PendingRegistration) -> Result<(), StoreError> {
        let statement = diesel::insert_into(claims::table).values(RegistrationRow::from(registration));
        let result = statement.execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn get(&mut self, id: UserId, now: Timestamp) -> Result<Option<PendingRegistration>, StoreError> {
        let query = claims::table.find(Uid(id)).filter(claims::expires_at.gt(At(now)));
        let row = query.select(RegistrationRow::as_select()).first(self.connection()?).await.optional();
        optional(self.check(row)?)
    }

    async fn consume(&mut self, id: UserId, now: Timestamp) -> Result<Option<PendingRegistration>, StoreError> {
        dialect::hold(self, Hold::Claim(id)).await?;
        let taken = diesel::delete(claims::table.find(Uid(id)).filter(claims::expires_at.gt(At(now))))
            .returning(RegistrationRow::as_returning())
            .get_result(self.connection()?)
            .await
            .optional();
        let Some(claim) = self.check(taken)? else { return Ok(None) };
        let others = diesel::delete(claims::table.filter(claims::email.eq(&claim.email)));
        let result = others.execute(self.connection()?).await;
        self.check(result)?;
        Ok(Some(claim.try_into()?))
    }

    async fn delete_expired(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let lapsed = dialect::lapsed("pending_registrations", "id", ("expires_at <=", "expires_at"), now);
        let result = diesel::delete(claims::table.filter(lapsed)).execute(self.connection()?).await;
        self.check(result).map(count_of)
    }
}
