use diesel::prelude::*;
use keystead_domain::account::{ClaimedIdentity, FullName, PasswordHash, PendingRegistration, Username};
use keystead_domain::social::{ProviderId, SocialSubject};

use super::address;
use crate::RowError;
use crate::schema::pending_registrations;
use crate::types::{At, Uid};

/// A row of `pending_registrations`.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = pending_registrations, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the fields of the domain's PendingRegistration")]
pub struct RegistrationRow {
    pub id: Uid,
    /// The claimed address, of whichever kind.
    pub email: String,
    pub username: Option<String>,
    pub full_name: Option<String>,
    pub password: Option<String>,
    pub created_at: At,
    pub expires_at: At,
    pub kind: String,
    pub srp: Option<Vec<u8>>,
    /// Absent without `social_subject`, and the other way round.
    pub social_provider: Option<String>,
    pub social_subject: Option<String>,
    pub social_label: Option<String>,
}

impl RegistrationRow {
    fn social(&self) -> Result<Option<ClaimedIdentity>, RowError> {
        match (&self.social_provider, &self.social_subject) {
            (Some(provider), Some(subject)) => Ok(Some(ClaimedIdentity {
                provider: ProviderId::try_new(provider)
                    .map_err(|_| RowError("pending_registrations.social_provider"))?,
                subject: SocialSubject::try_new(subject)
                    .map_err(|_| RowError("pending_registrations.social_subject"))?,
                label: self.social_label.clone(),
            })),
            (None, None) => Ok(None),
            _ => Err(RowError("pending_registrations.social_subject")),
        }
    }
}

impl From<&PendingRegistration> for RegistrationRow {
    fn from(registration: &PendingRegistration) -> Self {
        let social = registration.social.as_ref();
        Self {
            id: Uid(registration.id),
            email: registration.address.to_string(),
            username: registration.username.as_ref().map(ToString::to_string),
            full_name: registration.full_name.as_ref().map(ToString::to_string),
            password: registration.password.as_ref().map(|hash| hash.as_str().to_owned()),
            created_at: At(registration.created_at),
            expires_at: At(registration.expires_at),
            kind: registration.address.kind().as_str().to_owned(),
            srp: registration.srp.clone(),
            social_provider: social.map(|identity| identity.provider.to_string()),
            social_subject: social.map(|identity| identity.subject.as_str().to_owned()),
            social_label: social.and_then(|identity| identity.label.clone()),
        }
    }
}

impl TryFrom<RegistrationRow> for PendingRegistration {
    type Error = RowError;

    fn try_from(row: RegistrationRow) -> Result<Self, RowError> {
        let username = row.username.as_deref().map(Username::try_new).transpose();
        let social = row.social()?;
        Ok(Self {
            id: row.id.0,
            address: address(&row.kind, &row.email, "pending_registrations.email")?,
            username: username.map_err(|_| RowError("pending_registrations.username"))?,
            full_name: row.full_name.map(FullName::from_stored),
            password: row.password.map(PasswordHash::new),
            srp: row.srp,
            social,
            created_at: row.created_at.0,
            expires_at: row.expires_at.0,
        })
    }
}
