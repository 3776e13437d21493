use async_trait::async_trait;
use keystead_domain::Timestamp;
use keystead_domain::account::{ContactId, ContactKind, ContactUndo, PendingContact, UndoTokenHash, UserId};

use crate::ports::{ContactRepository, StoreError};

/// Addresses on their way to an account, and links that undo a change.
#[derive(Clone, Debug, Default)]
pub struct Contacts {
    /// Addresses that wait to be proved, in the order they were added.
    pub pending: Vec<PendingContact>,
    /// Links that undo a change.
    pub undos: Vec<ContactUndo>,
}

#[async_trait]
impl ContactRepository for Contacts {
    async fn insert(&mut self, contact: &PendingContact) -> Result<(), StoreError> {
        let kind = contact.address.kind();
        self.pending.retain(|other| other.user_id != contact.user_id || other.address.kind() != kind);
        self.pending.push(contact.clone());
        Ok(())
    }

    async fn list(&mut self, user: UserId, now: Timestamp) -> Result<Vec<PendingContact>, StoreError> {
        let alive = self.pending.iter().filter(|contact| contact.user_id == user && now < contact.expires_at);
        let mut alive: Vec<PendingContact> = alive.cloned().collect();
        alive.sort_by_key(|contact| (contact.created_at, contact.id));
        Ok(alive)
    }

    async fn get(&mut self, user: UserId, id: ContactId, now: Timestamp) -> Result<Option<PendingContact>, StoreError> {
        Ok(self.list(user, now).await?.into_iter().find(|contact| contact.id == id))
    }

    async fn delete(&mut self, user: UserId, id: ContactId) -> Result<bool, StoreError> {
        let before = self.pending.len();
        self.pending.retain(|contact| contact.user_id != user || contact.id != id);
        Ok(self.pending.len() < before)
    }

    async fn delete_for_user(&mut self, user: UserId) -> Result<(), StoreError> {
        self.pending.retain(|contact| contact.user_id != user);
        Ok(())
    }

    async fn insert_undo(&mut self, undo: &ContactUndo) -> Result<(), StoreError> {
        self.undos.push(undo.clone());
        Ok(())
    }

    async fn find_undo(&mut self, hash: UndoTokenHash, now: Timestamp) -> Result<Option<ContactUndo>, StoreError> {
        Ok(self.undos.iter().find(|undo| undo.hash == hash && now < undo.expires_at).cloned())
    }

    async fn has_undo(&mut self, user: UserId, kind: ContactKind, now: Timestamp) -> Result<bool, StoreError> {
        let alive = |undo: &&ContactUndo| undo.user_id == user && now < undo.expires_at;
        Ok(self.undos.iter().filter(alive).any(|undo| undo.contact.address.kind() == kind))
    }

    async fn delete_undos_since(&mut self, user: UserId, since: Timestamp) -> Result<(), StoreError> {
        self.undos.retain(|undo| undo.user_id != user || undo.created_at < since);
        Ok(())
    }

    async fn consume_undo(&mut self, hash: UndoTokenHash, now: Timestamp) -> Result<Option<ContactUndo>, StoreError> {
        let index = self.undos.iter().position(|undo| undo.hash == hash && now < undo.expires_at);
        Ok(index.map(|index| self.undos.remove(index)))
    }

    async fn delete_expired(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let count = |contacts: &Self| contacts.pending.len() + contacts.undos.len();
        let before = count(self);
        self.pending.retain(|contact| now <= contact.expires_at);
        self.undos.retain(|undo| now <= undo.expires_at);
        Ok((before - count(self)) as u64)
    }
}
