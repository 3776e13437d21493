use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::Hold;
use keystead_adapters_sql::rows::KeyRow;
use keystead_adapters_sql::schema::{factor_keys, keys};
use keystead_adapters_sql::types::At;
use keystead_application::ports::{KeyRepository, KeyUse, StoreError, StoredKey};
use keystead_domain::Timestamp;

use super::{Transaction, dialect, domain};

/// Whether keys of this use are in the later table: the first version knows no others in `keys` than it makes.
fn came_later(key_use: KeyUse) -> bool {
    matches!(key_use, KeyUse::SignStepUp | KeyUse::Seal | KeyUse::Audit)
}

/// Retires the endless keys of the new one's use, and adds it.
macro_rules! add {
    ($tx:ident, $keys:ident, $row:expr, $older_retire_at:expr) => {{
        let row: KeyRow = $row;
        let endless = $keys::table.filter($keys::key_use.eq(row.key_use.clone())).filter($keys::retires_at.is_null());
        let retire = diesel::update(endless).set($keys::retires_at.eq(At($older_retire_at)));
        let result = retire.execute($tx.connection()?).await;
        $tx.check(result)?;
        let insert = diesel::insert_into($keys::table).values((
            $keys::id.eq(row.id),
            $keys::key_use.eq(row.key_use),
            $keys::algorithm.eq(row.algorithm),
            $keys::sealed.eq(row.sealed),
            $keys::created_at.eq(row.created_at),
            $keys::active_from.eq(row.active_from),
            $keys::retires_at.eq(row.retires_at),
        ));
        let result = insert.execute($tx.connection()?).await;
        $tx.check(result).map(drop)
    }};
}

/// The keys of a table that have not retired.
macro_rules! living {
    ($tx:ident, $keys:ident, $now:expr) => {{
        let living = $keys::retires_at.is_null().or($keys::retires_at.assume_not_null().gt(At($now)));
        let rows = $keys::table.filter(living).load::<KeyRow>($tx.connection()?).await;
        $tx.check(rows)?
    }};
}

#[async_trait]
impl KeyRepository for Transaction {
    async fn list(&mut self, now: Timestamp) -> Result<Vec<StoredKey>, StoreError> {
        let mut rows = living!(self, keys, now);
        rows.extend(living!(self, factor_keys, now));
        rows.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        // A later version that serves beside this one may have made keys of uses this one does not know.
        rows.retain(|row| KeyUse::parse(&row.key_use).is_some());
        domain(rows)
    }

    async fn lock(&mut self) -> Result<(), StoreError> {
        dialect::hold(self, Hold::Keys).await.map(drop)
    }

    async fn insert(&mut self, key: &StoredKey, older_retire_at: Timestamp) -> Result<(), StoreError> {
        if came_later(key.key_use) {
            add!(self, factor_keys, key.into(), older_retire_at)
        } else {
            add!(self, keys, key.into(), older_retire_at)
        }
    }
}
