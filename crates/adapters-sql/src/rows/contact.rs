use diesel::prelude::*;
use keystead_domain::account::{Contact, ContactId, ContactUndo, Epoch, PendingContact, UndoTokenHash};

use super::{address, bytes32};
use crate::RowError;
use crate::schema::{contact_undos, pending_contacts};
use crate::types::{At, Uid};

/// A row of `pending_contacts`.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = pending_contacts, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the fields of the domain's PendingContact")]
pub struct PendingContactRow {
    pub id: Uid,
    pub user_id: Uid,
    pub kind: String,
    pub address: String,
    pub epoch: i64,
    pub created_at: At,
    pub expires_at: At,
}

impl From<&PendingContact> for PendingContactRow {
    fn from(contact: &PendingContact) -> Self {
        Self {
            id: Uid::of(contact.id.as_uuid()),
            user_id: Uid(contact.user_id),
            kind: contact.address.kind().as_str().to_owned(),
            address: contact.address.to_string(),
            epoch: contact.epoch.number(),
            created_at: At(contact.created_at),
            expires_at: At(contact.expires_at),
        }
    }
}

impl TryFrom<PendingContactRow> for PendingContact {
    type Error = RowError;

    fn try_from(row: PendingContactRow) -> Result<Self, RowError> {
        Ok(Self {
            id: ContactId::new(row.id.uuid()),
            user_id: row.user_id.0,
            address: address(&row.kind, &row.address, "pending_contacts.address")?,
            epoch: Epoch::new(row.epoch),
            created_at: row.created_at.0,
            expires_at: row.expires_at.0,
        })
    }
}

/// A row of `contact_undos`.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = contact_undos, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the fields of the domain's ContactUndo")]
pub struct UndoRow {
    pub hash: Vec<u8>,
    pub user_id: Uid,
    pub contact_id: Uid,
    pub kind: String,
    pub address: String,
    pub otp_enabled: bool,
    pub other_contact_id: Option<Uid>,
    pub created_at: At,
    pub expires_at: At,
}

impl From<&ContactUndo> for UndoRow {
    fn from(undo: &ContactUndo) -> Self {
        Self {
            hash: undo.hash.0.to_vec(),
            user_id: Uid(undo.user_id),
            contact_id: Uid::of(undo.contact.id.as_uuid()),
            kind: undo.contact.address.kind().as_str().to_owned(),
            address: undo.contact.address.to_string(),
            otp_enabled: undo.contact.otp_enabled,
            other_contact_id: undo.other.map(|id| Uid::of(id.as_uuid())),
            created_at: At(undo.created_at),
            expires_at: At(undo.expires_at),
        }
    }
}

impl TryFrom<UndoRow> for ContactUndo {
    type Error = RowError;

    fn try_from(row: UndoRow) -> Result<Self, RowError> {
        Ok(Self {
            hash: UndoTokenHash(bytes32(&row.hash, "contact_undos.hash")?),
            user_id: row.user_id.0,
            contact: Contact {
                id: ContactId::new(row.contact_id.uuid()),
                address: address(&row.kind, &row.address, "contact_undos.address")?,
                otp_enabled: row.otp_enabled,
            },
            other: row.other_contact_id.map(|id| ContactId::new(id.uuid())),
            created_at: row.created_at.0,
            expires_at: row.expires_at.0,
        })
    }
}
