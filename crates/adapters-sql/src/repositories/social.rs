use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::rows::SocialRow;
use keystead_adapters_sql::schema::social_identities as links;
use keystead_adapters_sql::types::{At, Uid};
use keystead_adapters_sql::{Hold, Prepared};
use keystead_application::ports::{SocialRepository, StoreError};
use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::social::{ProviderId, SocialIdentity, SocialSubject};
use uuid::Uuid;

use super::{Transaction, dialect, domain, optional};

#[async_trait]
impl SocialRepository for Transaction {
    async fn find(
        &mut self,
        provider: &ProviderId,
        subject: &SocialSubject,
    ) -> Result<Option<SocialIdentity>, StoreError> {
        let query =
            links::table.filter(links::provider.eq(provider.as_str())).filter(links::subject.eq(subject.as_str()));
        let row = query.select(SocialRow::as_select()).first(self.connection()?).await.optional();
        optional(self.check(row)?)
    }

    async fn list(&mut self, user: UserId) -> Result<Vec<SocialIdentity>, StoreError> {
        let rows = links::table
            .filter(links::user_id.eq(Uid(user)))
            .order((links::created_at, links::id))
            .select(SocialRow::as_select())
            .load(self.connection()?)
            .await;
        domain(self.check(rows)?)
    }

    async fn insert(&mut self, identity: &SocialIdentity) -> Result<(), StoreError> {
        dialect::hold(self, Hold::User(identity.user_id)).await?;
        let statement = diesel::insert_into(links::table).values(SocialRow::from(identity));
        self.mark().await?;
        let result = statement.execute(self.connection()?).await;
        self.check_marked(result).await.map(drop)
    }

    async fn touch(&mut self, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
        dialect::hold(self, Hold::Identity(id)).await?;
        let statement = diesel::update(links::table.find(Uid::of(id))).set(links::last_used_at.eq(At(now)));
        let result = Prepared(statement).execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn delete(&mut self, user: UserId, provider: &ProviderId) -> Result<Option<SocialIdentity>, StoreError> {
        dialect::hold(self, Hold::User(user)).await?;
        let own = links::table.filter(links::user_id.eq(Uid(user))).filter(links::provider.eq(provider.as_str()));
        let statement = diesel::delete(own).returning(SocialRow::as_returning());
        let row = statement.get_result(self.connection()?).await.optional();
        optional(self.check(row)?)
    }
}
