use diesel::prelude::*;
use keystead_domain::social::{ProviderId, SocialIdentity, SocialSubject};

use crate::RowError;
use crate::schema::social_identities;
use crate::types::{At, Uid};

/// A row of `social_identities`.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = social_identities, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the fields of the domain's SocialIdentity")]
pub struct SocialRow {
    pub id: Uid,
    pub user_id: Uid,
    pub provider: String,
    pub subject: String,
    pub label: Option<String>,
    pub created_at: At,
    pub last_used_at: Option<At>,
}

impl From<&SocialIdentity> for SocialRow {
    fn from(identity: &SocialIdentity) -> Self {
        Self {
            id: Uid::of(identity.id),
            user_id: Uid(identity.user_id),
            provider: identity.provider.to_string(),
            subject: identity.subject.as_str().to_owned(),
            label: identity.label.clone(),
            created_at: At(identity.created_at),
            last_used_at: identity.last_used_at.map(At),
        }
    }
}

impl TryFrom<SocialRow> for SocialIdentity {
    type Error = RowError;

    fn try_from(row: SocialRow) -> Result<Self, RowError> {
        Ok(Self {
            id: row.id.uuid(),
            user_id: row.user_id.0,
            provider: ProviderId::try_new(&row.provider).map_err(|_| RowError("social_identities.provider"))?,
            subject: SocialSubject::try_new(&row.subject).map_err(|_| RowError("social_identities.subject"))?,
            label: row.label,
            created_at: row.created_at.0,
            last_used_at: row.last_used_at.map(|at| at.0),
        })
    }
}
