use async_trait::async_trait;
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::rows::{NewRevocationRow, RevocationRow, kind};
use keystead_adapters_sql::schema::revocations;
use keystead_adapters_sql::types::{At, Uid};
use keystead_application::ports::{RevocationLog, StoreError};
use keystead_domain::Timestamp;
use keystead_domain::account::{Epoch, UserId};
use keystead_domain::token::{Revocation, SessionId, TokenId};

use super::{Transaction, count_of, dialect, domain};

#[async_trait]
impl RevocationLog for Transaction {
    async fn append(&mut self, revocation: &Revocation) -> Result<bool, StoreError> {
        let newest = revocations::table.order((revocations::at.desc(), revocations::id.desc())).select(revocations::at);
        let newest = newest.first::<At>(self.connection()?).await.optional();
        let newest = self.check(newest)?.map_or(revocation.at, |newest| newest.0);
        let at = At(revocation.at.max(newest));
        let first = diesel::insert_into(revocations::table)
            .values(NewRevocationRow { at, ..revocation.into() })
            .on_conflict((revocations::kind, revocations::target))
            .do_nothing()
            .returning(revocations::id)
            .get_result::<i64>(self.connection()?)
            .await
            .optional();
        self.check(first).map(|row| row.is_some())
    }

    async fn since(&mut self, since: Timestamp) -> Result<Vec<Revocation>, StoreError> {
        let rows = revocations::table
            .filter(revocations::at.gt(At(since)))
            .order((revocations::at, revocations::id))
            .select(RevocationRow::as_select())
            .load(self.connection()?)
            .await;
        domain(self.check(rows)?)
    }

    async fn is_revoked(&mut self, token: &TokenId, user: UserId, epoch: Epoch) -> Result<bool, StoreError> {
        let by_token = revocations::kind.eq(kind::TOKEN).and(revocations::target.eq(token.as_str()));
        let by_session = revocations::kind.eq(kind::SESSION).and(revocations::target.eq(token.session_str()));
        let by_user = revocations::user_id.eq(Uid(user)).and(revocations::epoch.gt(epoch.number()));
        let rows = revocations::table.filter(by_token.or(by_session).nullable().or(by_user));
        let found = diesel::select(exists(rows)).get_result::<bool>(self.connection()?).await;
        self.check(found)
    }

    async fn is_session_revoked(&mut self, session: &SessionId) -> Result<bool, StoreError> {
        let rows = revocations::table
            .filter(revocations::kind.eq(kind::SESSION))
            .filter(revocations::target.eq(session.as_str()));
        let found = diesel::select(exists(rows)).get_result::<bool>(self.connection()?).await;
        self.check(found)
    }

    async fn delete_before(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        let lapsed = dialect::lapsed("revocations", "id", ("at <", "at"), before);
        let result = diesel::delete(revocations::table.filter(lapsed)).execute(self.connection()?).await;
        self.check(result).map(count_of)
    }
}
