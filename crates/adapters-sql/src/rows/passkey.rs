use diesel::prelude::*;
use keystead_domain::factor::{CredentialId, Passkey, PasskeyId, PasskeyName};

use crate::RowError;
use crate::schema::passkeys;
use crate::types::{At, Uid};

/// A row of `passkeys`.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = passkeys, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the fields of the domain's Passkey")]
pub struct PasskeyRow {
    pub id: Uid,
    pub user_id: Uid,
    pub credential_id: Vec<u8>,
    pub name: String,
    pub credential: Vec<u8>,
    pub counter: i64,
    pub aaguid: Uid,
    pub backup_eligible: bool,
    pub backed_up: bool,
    pub user_verified: bool,
    pub created_at: At,
    pub last_used_at: Option<At>,
}

impl From<&Passkey> for PasskeyRow {
    fn from(passkey: &Passkey) -> Self {
        Self {
            id: Uid::of(passkey.id.as_uuid()),
            user_id: Uid(passkey.user_id),
            credential_id: passkey.credential_id.as_bytes().to_vec(),
            name: passkey.name.as_str().to_owned(),
            credential: passkey.credential.clone(),
            counter: passkey.counter.into(),
            aaguid: Uid::of(passkey.aaguid),
            backup_eligible: passkey.backup_eligible,
            backed_up: passkey.backed_up,
            user_verified: passkey.user_verified,
            created_at: At(passkey.created_at),
            last_used_at: passkey.last_used_at.map(At),
        }
    }
}

impl TryFrom<PasskeyRow> for Passkey {
    type Error = RowError;

    fn try_from(row: PasskeyRow) -> Result<Self, RowError> {
        Ok(Self {
            id: PasskeyId::new(row.id.uuid()),
            user_id: row.user_id.0,
            credential_id: CredentialId::new(row.credential_id).ok_or(RowError("passkeys.credential_id"))?,
            name: PasskeyName::try_new(&row.name).map_err(|_| RowError("passkeys.name"))?,
            credential: row.credential,
            counter: u32::try_from(row.counter).map_err(|_| RowError("passkeys.counter"))?,
            aaguid: row.aaguid.uuid(),
            backup_eligible: row.backup_eligible,
            backed_up: row.backed_up,
            user_verified: row.user_verified,
            created_at: row.created_at.0,
            last_used_at: row.last_used_at.map(|at| at.0),
        })
    }
}
