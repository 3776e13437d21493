use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::Hold;
use keystead_adapters_sql::rows::KeyRow;
use keystead_adapters_sql::schema::keys;
use keystead_adapters_sql::types::At;
use keystead_application::ports::{KeyRepository, KeyUse, StoreError, StoredKey};
use keystead_domain::Timestamp;

use super::{Transaction, dialect, domain};

#[async_trait]
impl KeyRepository for Transaction {
    async fn list(&mut self, now: Timestamp) -> Result<Vec<StoredKey>, StoreError> {
        let rows = keys::table
            .filter(keys::retires_at.is_null().or(keys::retires_at.assume_not_null().gt(At(now))))
            .order((keys::created_at, keys::id))
            .select(KeyRow::as_select())
            .load::<KeyRow>(self.connection()?)
            .await;
        let mut rows = self.check(rows)?;
        // A later version that serves beside this one may have made keys of uses this one does not know.
        rows.retain(|row| KeyUse::parse(&row.key_use).is_some());
        domain(rows)
    }

    async fn lock(&mut self) -> Result<(), StoreError> {
        dialect::hold(self, Hold::Keys).await
    }

    async fn insert(&mut self, key: &StoredKey, older_retire_at: Timestamp) -> Result<(), StoreError> {
        let endless = keys::table.filter(keys::key_use.eq(key.key_use.as_str())).filter(keys::retires_at.is_null());
        let retire = diesel::update(endless).set(keys::retires_at.eq(At(older_retire_at)));
        let result = retire.execute(self.connection()?).await;
        self.check(result)?;
        let insert = diesel::insert_into(keys::table).values(KeyRow::from(key));
        let result = insert.execute(self.connection()?).await;
        self.check(result).map(drop)
    }
}
