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

use super::{Transaction, domain};

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
        let mut query = logins::table
            .filter(logins::user_id.eq(Uid(user)))
            .order((logins::at.desc(), logins::token_id.desc()))
            .limit(i64::from(size))
            .select(LoginRow::as_select())
            .into_boxed();
        if let Some((at, token)) = after {
            // The first condition finds the place in the index, the second skips what shares its time.
            let earlier = logins::at.lt(At(at)).or(logins::token_id.lt(token.to_string()));
            query = query.filter(logins::at.le(At(at))).filter(earlier);
        }
        let rows = query.load(self.connection()?).await;
        domain(self.check(rows)?)
    }

    async fn owns_session(&mut self, user: UserId, session: &SessionId) -> Result<bool, StoreError> {
        let owned = logins::table.filter(logins::session_id.eq(session.as_str())).filter(logins::user_id.eq(Uid(user)));
        let found = diesel::select(exists(owned)).get_result::<bool>(self.connection()?).await;
        self.check(found)
    }
}
