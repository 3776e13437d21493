use diesel::prelude::*;
use keystead_application::ports::LoginRecord;
use keystead_domain::token::TokenId;

use super::device;
use crate::RowError;
use crate::schema::login_history;
use crate::types::{At, Uid};

/// A row of `login_history`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = login_history, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the fields of the port's LoginRecord")]
pub struct LoginRow {
    pub token_id: String,
    /// The session part of `token_id`, in a column of its own to be found by.
    pub session_id: String,
    pub user_id: Uid,
    pub at: At,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub impersonator_id: Option<Uid>,
}

impl From<&LoginRecord> for LoginRow {
    fn from(record: &LoginRecord) -> Self {
        Self {
            token_id: record.token_id.to_string(),
            session_id: record.token_id.session_str().to_owned(),
            user_id: Uid(record.user_id),
            at: At(record.at),
            ip: record.device.ip.map(|ip| ip.to_string()),
            user_agent: record.device.user_agent.clone(),
            impersonator_id: record.impersonator.map(Uid),
        }
    }
}

impl TryFrom<LoginRow> for LoginRecord {
    type Error = RowError;

    fn try_from(row: LoginRow) -> Result<Self, RowError> {
        Ok(Self {
            token_id: TokenId::parse(&row.token_id).ok_or(RowError("login_history.token_id"))?,
            user_id: row.user_id.0,
            at: row.at.0,
            device: device(row.ip.as_deref(), row.user_agent.as_deref(), "login_history.ip")?,
            impersonator: row.impersonator_id.map(|id| id.0),
        })
    }
}
