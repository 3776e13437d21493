use diesel::prelude::*;
use keystead_domain::account::{Epoch, LinkPurpose, LinkToken, LinkTokenHash};
use keystead_domain::token::TokenId;

use super::bytes32;
use crate::RowError;
use crate::schema::link_tokens;
use crate::types::{At, Uid};

/// A row of `link_tokens`.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = link_tokens, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the fields of the domain's LinkToken")]
pub struct LinkTokenRow {
    pub hash: Vec<u8>,
    pub purpose: String,
    pub user_id: Option<Uid>,
    pub epoch: i64,
    pub begun_as: Option<String>,
    pub created_at: At,
    pub expires_at: At,
    pub factor_proved: bool,
}

fn parse_purpose(text: &str) -> Option<LinkPurpose> {
    [LinkPurpose::Reset, LinkPurpose::Activate].into_iter().find(|purpose| purpose.as_str() == text)
}

impl From<&LinkToken> for LinkTokenRow {
    fn from(token: &LinkToken) -> Self {
        Self {
            hash: token.hash.0.to_vec(),
            purpose: token.purpose.as_str().to_owned(),
            user_id: token.user_id.map(Uid),
            epoch: token.epoch.number(),
            begun_as: token.begun_as.as_ref().map(ToString::to_string),
            created_at: At(token.created_at),
            expires_at: At(token.expires_at),
            factor_proved: token.factor_proved,
        }
    }
}

impl TryFrom<LinkTokenRow> for LinkToken {
    type Error = RowError;

    fn try_from(row: LinkTokenRow) -> Result<Self, RowError> {
        let begun_as = row.begun_as.as_deref().map(|text| TokenId::parse(text).ok_or(RowError("link_tokens.begun_as")));
        Ok(Self {
            hash: LinkTokenHash(bytes32(&row.hash, "link_tokens.hash")?),
            purpose: parse_purpose(&row.purpose).ok_or(RowError("link_tokens.purpose"))?,
            user_id: row.user_id.map(|id| id.0),
            epoch: Epoch::new(row.epoch),
            begun_as: begun_as.transpose()?,
            created_at: row.created_at.0,
            expires_at: row.expires_at.0,
            factor_proved: row.factor_proved,
        })
    }
}
