use diesel::prelude::*;
use keystead_application::ports::StoredSrp;

use crate::RowError;
use crate::schema::srp_credentials;
use crate::types::{At, Uid};

/// A row of `srp_credentials`.
#[derive(Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = srp_credentials, primary_key(user_id))]
#[expect(missing_docs, reason = "the columns are the fields of the port's StoredSrp")]
pub struct SrpRow {
    pub user_id: Uid,
    pub sealed: Vec<u8>,
    pub created_at: At,
}

impl From<&StoredSrp> for SrpRow {
    fn from(credential: &StoredSrp) -> Self {
        Self {
            user_id: Uid(credential.user_id),
            sealed: credential.sealed.clone(),
            created_at: At(credential.created_at),
        }
    }
}

impl TryFrom<SrpRow> for StoredSrp {
    type Error = RowError;

    fn try_from(row: SrpRow) -> Result<Self, RowError> {
        Ok(Self { user_id: row.user_id.0, sealed: row.sealed, created_at: row.created_at.0 })
    }
}
