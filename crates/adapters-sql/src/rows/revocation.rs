use diesel::prelude::*;
use keystead_domain::account::Epoch;
use keystead_domain::token::{Revocation, RevocationTarget, SessionId, TokenId};

use crate::RowError;
use crate::schema::revocations;
use crate::types::{At, Uid};

/// Names of [`RevocationTarget`]'s forms in the column `kind`.
pub mod kind {
    /// One access token; `target` is its `jti`.
    pub const TOKEN: &str = "token";
    /// One session; `target` is its `sid`.
    pub const SESSION: &str = "session";
    /// A user's epoch; `target` is `<user>:<epoch>`.
    pub const USER: &str = "user";
}

/// A revocation to append to `revocations`; the database numbers it. `(kind, target)` is unique.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = revocations, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the fields of the domain's Revocation")]
pub struct NewRevocationRow {
    pub kind: &'static str,
    pub target: String,
    pub user_id: Option<Uid>,
    pub epoch: Option<i64>,
    pub sessions_epoch: Option<i64>,
    pub at: At,
}

/// A row of `revocations`, without its number.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = revocations)]
#[expect(missing_docs, reason = "the columns are the fields of the domain's Revocation")]
pub struct RevocationRow {
    pub kind: String,
    pub target: String,
    pub user_id: Option<Uid>,
    pub epoch: Option<i64>,
    pub sessions_epoch: Option<i64>,
    pub at: At,
}

impl NewRevocationRow {
    /// The row of a revocation; `None` of everybody's, which is in `general_revocations`.
    pub fn new(revocation: &Revocation) -> Option<Self> {
        let at = At(revocation.at);
        Some(match &revocation.target {
            RevocationTarget::Token(token) => Self::of(kind::TOKEN, token.to_string(), at),
            RevocationTarget::Session(session) => Self::of(kind::SESSION, session.to_string(), at),
            RevocationTarget::User { id, epoch, sessions } => Self {
                user_id: Some(Uid(*id)),
                epoch: Some(epoch.number()),
                sessions_epoch: Some(sessions.number()),
                ..Self::of(kind::USER, format!("{id}:{}", epoch.number()), at)
            },
            RevocationTarget::Everybody => return None,
        })
    }

    fn of(kind: &'static str, target: String, at: At) -> Self {
        Self { kind, target, user_id: None, epoch: None, sessions_epoch: None, at }
    }
}

impl TryFrom<RevocationRow> for Revocation {
    type Error = RowError;

    fn try_from(row: RevocationRow) -> Result<Self, RowError> {
        let wrong = RowError("revocations.target");
        let target = match row.kind.as_str() {
            kind::TOKEN => RevocationTarget::Token(TokenId::parse(&row.target).ok_or(wrong)?),
            kind::SESSION => RevocationTarget::Session(SessionId::parse(&row.target).ok_or(wrong)?),
            kind::USER => RevocationTarget::User {
                id: row.user_id.ok_or(RowError("revocations.user_id"))?.0,
                epoch: Epoch::new(row.epoch.ok_or(RowError("revocations.epoch"))?),
                sessions: Epoch::new(row.sessions_epoch.ok_or(RowError("revocations.sessions_epoch"))?),
            },
            _ => return Err(RowError("revocations.kind")),
        };
        Ok(Self { target, at: row.at.0 })
    }
}
