use diesel::prelude::*;
use keystead_application::ports::{ClaimedMessage, OutboxEntry, OutboxId};

use crate::RowError;
use crate::schema::outbox;
use crate::types::At;

/// What a worker reads of a row of `outbox`.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = outbox)]
#[expect(missing_docs, reason = "the columns are the fields of the port's ClaimedMessage")]
pub struct ClaimedRow {
    pub id: String,
    pub sealed: Option<Vec<u8>>,
    pub attempts: i64,
    pub created_at: At,
    pub expires_at: At,
}

impl TryFrom<ClaimedRow> for ClaimedMessage {
    type Error = RowError;

    fn try_from(row: ClaimedRow) -> Result<Self, RowError> {
        Ok(Self {
            id: OutboxId(row.id),
            sealed: row.sealed.ok_or(RowError("outbox.sealed"))?,
            attempts: u32::try_from(row.attempts).map_err(|_| RowError("outbox.attempts"))?,
            created_at: row.created_at.0,
            expires_at: row.expires_at.0,
        })
    }
}

/// What administrators see of a row of `outbox`.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = outbox)]
#[expect(missing_docs, reason = "the columns are the fields of the port's OutboxEntry")]
pub struct EntryRow {
    pub id: String,
    pub attempts: i64,
    pub created_at: At,
    pub due_at: At,
    pub expires_at: At,
    pub dead_at: Option<At>,
    pub last_error: Option<String>,
}

impl TryFrom<EntryRow> for OutboxEntry {
    type Error = RowError;

    fn try_from(row: EntryRow) -> Result<Self, RowError> {
        Ok(Self {
            id: OutboxId(row.id),
            attempts: u32::try_from(row.attempts).map_err(|_| RowError("outbox.attempts"))?,
            created_at: row.created_at.0,
            due_at: row.due_at.0,
            expires_at: row.expires_at.0,
            dead_at: row.dead_at.map(|at| at.0),
            error: row.last_error,
        })
    }
}
