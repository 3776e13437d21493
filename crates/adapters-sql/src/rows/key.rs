use diesel::prelude::*;
use keystead_application::ports::{KeyUse, StoredKey};
use keystead_domain::token::KeyId;

use crate::RowError;
use crate::types::At;

/// A row of `keys` or `factor_keys`.
#[derive(Clone, Debug, Queryable)]
#[expect(missing_docs, reason = "the columns are the fields of the port's StoredKey")]
pub struct KeyRow {
    pub id: String,
    pub key_use: String,
    pub algorithm: String,
    pub sealed: Vec<u8>,
    pub created_at: At,
    pub active_from: At,
    pub retires_at: Option<At>,
}

impl From<&StoredKey> for KeyRow {
    fn from(key: &StoredKey) -> Self {
        Self {
            id: key.id.to_string(),
            key_use: key.key_use.as_str().to_owned(),
            algorithm: key.algorithm.clone(),
            sealed: key.sealed.clone(),
            created_at: At(key.created_at),
            active_from: At(key.active_from),
            retires_at: key.retires_at.map(At),
        }
    }
}

impl TryFrom<KeyRow> for StoredKey {
    type Error = RowError;

    fn try_from(row: KeyRow) -> Result<Self, RowError> {
        Ok(Self {
            id: KeyId::parse(&row.id).ok_or(RowError("keys.id"))?,
            key_use: KeyUse::parse(&row.key_use).ok_or(RowError("keys.key_use"))?,
            algorithm: row.algorithm,
            sealed: row.sealed,
            created_at: row.created_at.0,
            active_from: row.active_from.0,
            retires_at: row.retires_at.map(|at| at.0),
        })
    }
}
