use async_trait::async_trait;
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::rows::LoginRow;
use keystead_adapters_sql::schema::login_history as logins;
use keystead_adapters_sql::types::{At, Uid};
use keystead_application::ports::{LoginHistory, LoginRecord, StoreError};
use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::token::{SessionId, TokenId};

use super::{Transaction, count_of, dialect, domain};

/// The newest logins after the given one.
macro_rules! page {
    ($logins:expr, $after:expr, $size:expr) => {{
        let mut query = $logins
            .order((logins::at.desc(), logins::token_id.desc()))
            .limit(i64::from($size))
            .select(LoginRow::as_select())
            .into_boxed();
        if let Some((at, token)) = $after {
            // The first condition finds the place in the index, the second skips what shares its time.
            let earlier = logins::at.lt(At(at)).or(logins::token_id.lt(token.to_string()));
            query = query.filter(logins::at.le(At(at))).filter(earlier);
        }
        query
    }};
}

#[async_trait]
impl LoginHistory for Transaction {
    async fn append(&mut self, record: &LoginRecord) -> Result<(), StoreError> {
        let statement = diesel::insert_into(logins::table).values(LoginRow::from(record));
        let result = statement.execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn list(
        &mut self,
        user: UserId,
        after: Option<(Timestamp, TokenId)>,
        size: u32,
    ) -> Result<Vec<LoginRecord>, StoreError> {
        let query = logins::table.filter(logins::user_id.eq(Uid(user)));
        let rows = page!(query, after, size).load(self.connection()?).await;
        domain(self.check(rows)?)
    }

    async fn list_all(
        &mut self,
        after: Option<(Timestamp, TokenId)>,
        size: u32,
    ) -> Result<Vec<LoginRecord>, StoreError> {
        let rows = page!(logins::table, after, size).load(self.connection()?).await;
        domain(self.check(rows)?)
    }

    async fn delete_before(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        let lapsed = dialect::lapsed("login_history", "token_id", ("at <", "at"), before);
        let result = diesel::delete(logins::table.filter(lapsed)).execute(self.connection()?).await;
        self.check(result).map(count_of)
    }

    async fn owns_session(&mut self, user: UserId, session: &SessionId) -> Result<bool, StoreError> {
        let owned = logins::table.filter(logins::session_id.eq(session.as_str())).filter(logins::user_id.eq(Uid(user)));
        let found = diesel::select(exists(owned)).get_result::<bool>(self.connection()?).await;
        self.check(found)
    }
}
