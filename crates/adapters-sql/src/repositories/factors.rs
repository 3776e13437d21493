use async_trait::async_trait;
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::rows::{RecoveryCodeRow, TotpRow};
use keystead_adapters_sql::schema::{passkeys, recovery_codes as codes, totp};
use keystead_adapters_sql::types::{At, Uid};
use keystead_adapters_sql::{Hold, Prepared};
use keystead_application::ports::{FactorRepository, StoreError};
use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::factor::{Enrolled, RecoveryCodeHash, Totp};

use super::{Transaction, dialect, domain, optional};

/// What counts of rows come to.
fn number(count: Option<i64>) -> u32 {
    u32::try_from(count.unwrap_or(0)).unwrap_or(u32::MAX)
}

#[async_trait]
impl FactorRepository for Transaction {
    async fn enrolled(&mut self, user: UserId) -> Result<Enrolled, StoreError> {
        let confirmed = totp::table.find(Uid(user)).filter(totp::sealed.is_not_null());
        let passkeys = passkeys::table.filter(passkeys::user_id.eq(Uid(user))).count().single_value();
        let codes = codes::table.filter(codes::user_id.eq(Uid(user))).count().single_value();
        let query = diesel::select((exists(confirmed), passkeys, codes));
        let counts = query.get_result::<(bool, Option<i64>, Option<i64>)>(self.connection()?).await;
        let (totp, passkeys, codes) = self.check(counts)?;
        Ok(Enrolled { totp, passkeys: number(passkeys), recovery_codes: number(codes) })
    }

    async fn totp(&mut self, user: UserId) -> Result<Option<Totp>, StoreError> {
        let query = totp::table.find(Uid(user)).select(TotpRow::as_select());
        let row = query.first(self.connection()?).await.optional();
        optional(self.check(row)?)
    }

    async fn put_totp(&mut self, totp: &Totp) -> Result<(), StoreError> {
        dialect::hold(self, Hold::User(totp.user_id)).await?;
        let row = TotpRow::from(totp);
        let statement =
            diesel::insert_into(totp::table).values(row.clone()).on_conflict(totp::user_id).do_update().set(row);
        let result = Prepared(statement).execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn delete_totp(&mut self, user: UserId) -> Result<bool, StoreError> {
        dialect::hold(self, Hold::User(user)).await?;
        let result = diesel::delete(totp::table.find(Uid(user))).execute(self.connection()?).await;
        self.check(result).map(|rows| rows > 0)
    }

    async fn list_totp(&mut self, after: Option<UserId>, size: u32) -> Result<Vec<Totp>, StoreError> {
        let query = totp::table.order(totp::user_id).limit(i64::from(size)).select(TotpRow::as_select());
        let rows = match after {
            Some(after) => query.filter(totp::user_id.gt(Uid(after))).load(self.connection()?).await,
            None => query.load(self.connection()?).await,
        };
        domain::<TotpRow, _>(self.check(rows)?)
    }

    async fn replace_recovery_codes(
        &mut self,
        user: UserId,
        codes: &[RecoveryCodeHash],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        dialect::hold(self, Hold::User(user)).await?;
        let old = diesel::delete(codes::table.filter(codes::user_id.eq(Uid(user))));
        let result = old.execute(self.connection()?).await;
        self.check(result)?;
        // One by one: a statement of its own for each number of codes would be prepared each time.
        for code in codes {
            let statement = diesel::insert_into(codes::table).values(RecoveryCodeRow::new(Uid(user), code, At(now)));
            let result = statement.execute(self.connection()?).await;
            self.check(result)?;
        }
        Ok(())
    }

    async fn recovery_code(&mut self, user: UserId, selector: &str) -> Result<Option<RecoveryCodeHash>, StoreError> {
        let query = codes::table.find((Uid(user), selector)).select((codes::selector, codes::hash));
        let row = query.first(self.connection()?).await.optional();
        Ok(self.check(row)?.map(RecoveryCodeRow::code))
    }

    async fn consume_recovery_code(&mut self, user: UserId, selector: &str) -> Result<bool, StoreError> {
        dialect::hold(self, Hold::User(user)).await?;
        let result = diesel::delete(codes::table.find((Uid(user), selector))).execute(self.connection()?).await;
        self.check(result).map(|rows| rows > 0)
    }
}
