use diesel::prelude::*;
use keystead_domain::account::PasswordHash;
use keystead_domain::factor::{PendingTotp, RecoveryCodeHash, Totp};

use crate::RowError;
use crate::schema::{recovery_codes, totp};
use crate::types::{At, Uid};

/// A row of `totp`.
#[derive(Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = totp, primary_key(user_id), treat_none_as_default_value = false, treat_none_as_null = true)]
#[expect(missing_docs, reason = "the columns are the fields of the domain's Totp")]
pub struct TotpRow {
    pub user_id: Uid,
    pub sealed: Option<Vec<u8>>,
    pub last_step: Option<i64>,
    pub confirmed_at: Option<At>,
    pub pending: Option<Vec<u8>>,
    pub pending_expires_at: Option<At>,
}

impl From<&Totp> for TotpRow {
    fn from(totp: &Totp) -> Self {
        Self {
            user_id: Uid(totp.user_id),
            sealed: totp.sealed.clone(),
            last_step: totp.last_step.map(|step| i64::try_from(step).unwrap_or(i64::MAX)),
            confirmed_at: totp.confirmed_at.map(At),
            pending: totp.pending.as_ref().map(|pending| pending.sealed.clone()),
            pending_expires_at: totp.pending.as_ref().map(|pending| At(pending.expires_at)),
        }
    }
}

impl TryFrom<TotpRow> for Totp {
    type Error = RowError;

    fn try_from(row: TotpRow) -> Result<Self, RowError> {
        let last_step = row.last_step.map(u64::try_from).transpose().map_err(|_| RowError("totp.last_step"))?;
        let pending = match (row.pending, row.pending_expires_at) {
            (Some(sealed), Some(expires_at)) => Some(PendingTotp { sealed, expires_at: expires_at.0 }),
            (None, None) => None,
            _ => return Err(RowError("totp.pending")),
        };
        Ok(Self {
            user_id: row.user_id.0,
            sealed: row.sealed,
            last_step,
            confirmed_at: row.confirmed_at.map(|at| at.0),
            pending,
        })
    }
}

/// A row of `recovery_codes`.
#[derive(Clone, Insertable)]
#[diesel(table_name = recovery_codes, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the fields of the domain's RecoveryCodeHash")]
pub struct RecoveryCodeRow {
    pub user_id: Uid,
    pub selector: String,
    pub hash: String,
    pub created_at: At,
}

impl RecoveryCodeRow {
    /// The row of a user's code.
    pub fn new(user_id: Uid, code: &RecoveryCodeHash, created_at: At) -> Self {
        Self { user_id, selector: code.selector.clone(), hash: code.hash.as_str().to_owned(), created_at }
    }

    /// The code of a selector and a hash.
    pub fn code((selector, hash): (String, String)) -> RecoveryCodeHash {
        RecoveryCodeHash { selector, hash: PasswordHash::new(hash) }
    }
}
