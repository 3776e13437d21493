use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::Hold;
use keystead_adapters_sql::rows::{PendingContactRow, UndoRow};
use keystead_adapters_sql::schema::{contact_undos as undos, pending_contacts as contacts};
use keystead_adapters_sql::types::{At, Uid};
use keystead_application::ports::{ContactRepository, StoreError};
use keystead_domain::Timestamp;
use keystead_domain::account::{ContactId, ContactKind, ContactUndo, PendingContact, UndoTokenHash, UserId};

use super::{Transaction, count_of, dialect, domain, optional};

/// Condition and order of what lapsed.
const LAPSED: (&str, &str) = ("expires_at <=", "expires_at");

#[async_trait]
impl ContactRepository for Transaction {
    async fn insert(&mut self, contact: &PendingContact) -> Result<(), StoreError> {
        dialect::hold(self, Hold::User(contact.user_id)).await?;
        let row = PendingContactRow::from(contact);
        let older =
            contacts::table.filter(contacts::user_id.eq(row.user_id)).filter(contacts::kind.eq(row.kind.clone()));
        let result = diesel::delete(older).execute(self.connection()?).await;
        self.check(result)?;
        let result = diesel::insert_into(contacts::table).values(row).execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn list(&mut self, user: UserId, now: Timestamp) -> Result<Vec<PendingContact>, StoreError> {
        let rows = contacts::table
            .filter(contacts::user_id.eq(Uid(user)))
            .filter(contacts::expires_at.gt(At(now)))
            .order((contacts::created_at, contacts::id))
            .select(PendingContactRow::as_select())
            .load(self.connection()?)
            .await;
        domain(self.check(rows)?)
    }

    async fn get(&mut self, user: UserId, id: ContactId, now: Timestamp) -> Result<Option<PendingContact>, StoreError> {
        let query = contacts::table
            .find(Uid::of(id.as_uuid()))
            .filter(contacts::user_id.eq(Uid(user)))
            .filter(contacts::expires_at.gt(At(now)));
        let row = query.select(PendingContactRow::as_select()).first(self.connection()?).await.optional();
        optional(self.check(row)?)
    }

    async fn delete(&mut self, user: UserId, id: ContactId) -> Result<bool, StoreError> {
        dialect::hold(self, Hold::User(user)).await?;
        let own = contacts::table.find(Uid::of(id.as_uuid())).filter(contacts::user_id.eq(Uid(user)));
        let result = diesel::delete(own).execute(self.connection()?).await;
        self.check(result).map(|rows| rows > 0)
    }

    async fn delete_for_user(&mut self, user: UserId) -> Result<(), StoreError> {
        dialect::hold(self, Hold::User(user)).await?;
        let statement = diesel::delete(contacts::table.filter(contacts::user_id.eq(Uid(user))));
        let result = statement.execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn insert_undo(&mut self, undo: &ContactUndo) -> Result<(), StoreError> {
        dialect::hold(self, Hold::User(undo.user_id)).await?;
        let statement = diesel::insert_into(undos::table).values(UndoRow::from(undo));
        let result = statement.execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn find_undo(&mut self, hash: UndoTokenHash, now: Timestamp) -> Result<Option<ContactUndo>, StoreError> {
        let query = undos::table.find(hash.0.to_vec()).filter(undos::expires_at.gt(At(now)));
        let row = query.select(UndoRow::as_select()).first(self.connection()?).await.optional();
        optional(self.check(row)?)
    }

    async fn consume_undo(&mut self, hash: UndoTokenHash, now: Timestamp) -> Result<Option<ContactUndo>, StoreError> {
        if !dialect::hold(self, Hold::Undo(hash)).await? {
            return Ok(None);
        }
        let alive = undos::table.find(hash.0.to_vec()).filter(undos::expires_at.gt(At(now)));
        let statement = diesel::delete(alive).returning(UndoRow::as_returning());
        let row = statement.get_result(self.connection()?).await.optional();
        optional(self.check(row)?)
    }

    async fn has_undo(&mut self, user: UserId, kind: ContactKind, now: Timestamp) -> Result<bool, StoreError> {
        let alive = undos::table
            .filter(undos::user_id.eq(Uid(user)))
            .filter(undos::kind.eq(kind.as_str()))
            .filter(undos::expires_at.gt(At(now)));
        let count = alive.count().get_result::<i64>(self.connection()?).await;
        Ok(self.check(count)? > 0)
    }

    async fn delete_undos_since(&mut self, user: UserId, since: Timestamp) -> Result<(), StoreError> {
        dialect::hold(self, Hold::User(user)).await?;
        let later = undos::table.filter(undos::user_id.eq(Uid(user))).filter(undos::created_at.ge(At(since)));
        let result = diesel::delete(later).execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn delete_expired(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let lapsed = dialect::lapsed("pending_contacts", "id", LAPSED, now);
        let result = diesel::delete(contacts::table.filter(lapsed)).execute(self.connection()?).await;
        let addresses = self.check(result)?;
        let lapsed = dialect::lapsed("contact_undos", "hash", LAPSED, now);
        let result = diesel::delete(undos::table.filter(lapsed)).execute(self.connection()?).await;
        self.check(result).map(|links| count_of(addresses + links))
    }
}
