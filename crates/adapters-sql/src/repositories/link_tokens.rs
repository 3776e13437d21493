use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::rows::LinkTokenRow;
use keystead_adapters_sql::schema::link_tokens;
use keystead_adapters_sql::types::{At, Uid};
use keystead_adapters_sql::{Hold, Prepared};
use keystead_application::ports::{LinkTokenRepository, StoreError};
use keystead_domain::Timestamp;
use keystead_domain::account::{LinkPurpose, LinkToken, LinkTokenHash, UserId};
use keystead_domain::token::TokenId;

use super::{Transaction, count_of, dialect, optional};

/// The unused, live token of this hash and purpose.
macro_rules! unused {
    ($hash:expr, $purpose:expr, $now:expr) => {
        link_tokens::table
            .find($hash.0.to_vec())
            .filter(link_tokens::purpose.eq($purpose.as_str()))
            .filter(link_tokens::begun_as.is_null())
            .filter(link_tokens::expires_at.gt(At($now)))
    };
}

/// The live token bound to this pre-authorized token.
macro_rules! begun {
    ($as_token:expr, $now:expr) => {
        link_tokens::table
            .filter(link_tokens::begun_as.eq($as_token.as_str()))
            .filter(link_tokens::expires_at.gt(At($now)))
    };
}

/// Rows of nobody, and of owners if the transaction holds theirs: a link that came after the look for its owner is not
/// there yet. Touched all the same, its owner would be waited for while others wait for the link.
macro_rules! touchable {
    ($rows:expr, $held:expr) => {
        $rows.filter(link_tokens::user_id.is_null().or($held.into_sql::<Bool>()))
    };
}

#[async_trait]
impl LinkTokenRepository for Transaction {
    async fn issue(&mut self, token: &LinkToken) -> Result<(), StoreError> {
        if let Some(user) = token.user_id {
            dialect::hold(self, Hold::User(user)).await?;
        }
        let row = LinkTokenRow::from(token);
        // For a decoy, which has no user, this compares with NULL: it finds nothing and does the same work.
        let older = link_tokens::table
            .filter(link_tokens::user_id.eq(row.user_id))
            .filter(link_tokens::purpose.eq(token.purpose.as_str()));
        let result = diesel::delete(older).execute(self.connection()?).await;
        self.check(result)?;
        let result = diesel::insert_into(link_tokens::table).values(row).execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn begin(
        &mut self,
        hash: LinkTokenHash,
        purpose: LinkPurpose,
        as_token: &TokenId,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<LinkToken>, StoreError> {
        let held = dialect::hold(self, Hold::Link(hash)).await?;
        let changes = (link_tokens::begun_as.eq(as_token.as_str()), link_tokens::expires_at.eq(At(expires_at)));
        let statement = diesel::update(touchable!(unused!(hash, purpose, now), held)).set(changes);
        let statement = Prepared(statement.returning(LinkTokenRow::as_returning()));
        let row = statement.get_result(self.connection()?).await.optional();
        optional(self.check(row)?)
    }

    async fn find_begun(&mut self, as_token: &TokenId, now: Timestamp) -> Result<Option<LinkToken>, StoreError> {
        let query = begun!(as_token, now).select(LinkTokenRow::as_select());
        let row = query.first(self.connection()?).await.optional();
        optional(self.check(row)?)
    }

    async fn prove_begun(
        &mut self,
        as_token: &TokenId,
        next_token: &TokenId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let held = dialect::hold(self, Hold::BegunLink(as_token)).await?;
        let changes = (link_tokens::begun_as.eq(next_token.as_str()), link_tokens::factor_proved.eq(true));
        let statement = diesel::update(touchable!(begun!(as_token, now), held)).set(changes);
        let result = Prepared(statement).execute(self.connection()?).await;
        self.check(result).map(|rows| rows > 0)
    }

    async fn rebind_begun(
        &mut self,
        as_token: &TokenId,
        next_token: &TokenId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let held = dialect::hold(self, Hold::BegunLink(as_token)).await?;
        let statement =
            diesel::update(touchable!(begun!(as_token, now), held)).set(link_tokens::begun_as.eq(next_token.as_str()));
        let result = Prepared(statement).execute(self.connection()?).await;
        self.check(result).map(|rows| rows > 0)
    }

    async fn consume_begun(&mut self, as_token: &TokenId, now: Timestamp) -> Result<Option<LinkToken>, StoreError> {
        let held = dialect::hold(self, Hold::BegunLink(as_token)).await?;
        let statement = diesel::delete(touchable!(begun!(as_token, now), held)).returning(LinkTokenRow::as_returning());
        let row = statement.get_result(self.connection()?).await.optional();
        optional(self.check(row)?)
    }

    async fn consume(
        &mut self,
        hash: LinkTokenHash,
        purpose: LinkPurpose,
        now: Timestamp,
    ) -> Result<Option<LinkToken>, StoreError> {
        let held = dialect::hold(self, Hold::Link(hash)).await?;
        let statement =
            diesel::delete(touchable!(unused!(hash, purpose, now), held)).returning(LinkTokenRow::as_returning());
        let row = statement.get_result(self.connection()?).await.optional();
        optional(self.check(row)?)
    }

    async fn find(
        &mut self,
        hash: LinkTokenHash,
        purpose: LinkPurpose,
        now: Timestamp,
    ) -> Result<Option<LinkToken>, StoreError> {
        let query = unused!(hash, purpose, now).select(LinkTokenRow::as_select());
        let row = query.first(self.connection()?).await.optional();
        optional(self.check(row)?)
    }

    async fn delete_for_user(&mut self, user: UserId) -> Result<(), StoreError> {
        dialect::hold(self, Hold::User(user)).await?;
        let statement = diesel::delete(link_tokens::table.filter(link_tokens::user_id.eq(Uid(user))));
        let result = statement.execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn delete_expired(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let lapsed = dialect::lapsed("link_tokens", "hash", ("expires_at <=", "expires_at"), now);
        let result = diesel::delete(link_tokens::table.filter(lapsed)).execute(self.connection()?).await;
        self.check(result).map(count_of)
    }
}
