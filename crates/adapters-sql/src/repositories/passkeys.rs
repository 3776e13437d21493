use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::rows::PasskeyRow;
use keystead_adapters_sql::schema::passkeys;
use keystead_adapters_sql::types::Uid;
use keystead_adapters_sql::{Hold, Prepared};
use keystead_application::ports::{PasskeyRepository, StoreError};
use keystead_domain::account::UserId;
use keystead_domain::factor::{CredentialId, Passkey, PasskeyId};

use super::{Transaction, dialect, domain, optional};

#[async_trait]
impl PasskeyRepository for Transaction {
    async fn list(&mut self, user: UserId) -> Result<Vec<Passkey>, StoreError> {
        let rows = passkeys::table
            .filter(passkeys::user_id.eq(Uid(user)))
            .order((passkeys::created_at, passkeys::id))
            .select(PasskeyRow::as_select())
            .load(self.connection()?)
            .await;
        domain(self.check(rows)?)
    }

    async fn find(&mut self, credential: &CredentialId) -> Result<Option<Passkey>, StoreError> {
        let query = passkeys::table.filter(passkeys::credential_id.eq(credential.as_bytes()));
        let row = query.select(PasskeyRow::as_select()).first(self.connection()?).await.optional();
        optional(self.check(row)?)
    }

    async fn insert(&mut self, passkey: &Passkey) -> Result<(), StoreError> {
        dialect::hold(self, Hold::User(passkey.user_id)).await?;
        let statement = diesel::insert_into(passkeys::table).values(PasskeyRow::from(passkey));
        self.mark().await?;
        let result = statement.execute(self.connection()?).await;
        self.check_marked(result).await.map(drop)
    }

    async fn update(&mut self, passkey: &Passkey) -> Result<(), StoreError> {
        dialect::hold(self, Hold::User(passkey.user_id)).await?;
        let row = PasskeyRow::from(passkey);
        let statement = diesel::update(passkeys::table.find(row.id)).set((
            passkeys::name.eq(row.name),
            passkeys::credential.eq(row.credential),
            passkeys::counter.eq(row.counter),
            passkeys::backup_eligible.eq(row.backup_eligible),
            passkeys::backed_up.eq(row.backed_up),
            passkeys::user_verified.eq(row.user_verified),
            passkeys::last_used_at.eq(row.last_used_at),
        ));
        let result = Prepared(statement).execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn delete(&mut self, user: UserId, id: PasskeyId) -> Result<bool, StoreError> {
        dialect::hold(self, Hold::User(user)).await?;
        let own = passkeys::table.find(Uid::of(id.as_uuid())).filter(passkeys::user_id.eq(Uid(user)));
        let result = diesel::delete(own).execute(self.connection()?).await;
        self.check(result).map(|rows| rows > 0)
    }
}
