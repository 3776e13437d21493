use diesel::prelude::*;
use keystead_domain::account::{AccountStatus, EmailAddress, Epoch, FullName, Locale, Role, User, Username};

use crate::RowError;
use crate::schema::users;
use crate::types::{At, Uid};

/// A row of `users`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = users, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the fields of the domain's User")]
pub struct UserRow {
    pub id: Uid,
    pub email: String,
    pub username: Option<String>,
    pub full_name: Option<String>,
    pub locale: Option<String>,
    pub role: String,
    pub status: String,
    pub epoch: i64,
    pub sessions_epoch: i64,
    pub created_at: At,
    pub updated_at: At,
}

/// The name of a status in stores.
pub const fn status_name(status: AccountStatus) -> &'static str {
    match status {
        AccountStatus::Active => "active",
        AccountStatus::Banned => "banned",
        AccountStatus::Deactivated => "deactivated",
    }
}

fn parse_status(text: &str) -> Option<AccountStatus> {
    [AccountStatus::Active, AccountStatus::Banned, AccountStatus::Deactivated]
        .into_iter()
        .find(|status| status_name(*status) == text)
}

impl From<&User> for UserRow {
    fn from(user: &User) -> Self {
        Self {
            id: Uid(user.id),
            email: user.email.to_string(),
            username: user.username.as_ref().map(ToString::to_string),
            full_name: user.full_name.as_ref().map(ToString::to_string),
            locale: user.locale.as_ref().map(ToString::to_string),
            role: user.role.as_str().to_owned(),
            status: status_name(user.status).to_owned(),
            epoch: user.epoch.number(),
            sessions_epoch: user.sessions_epoch.number(),
            created_at: At(user.created_at),
            updated_at: At(user.updated_at),
        }
    }
}

impl TryFrom<UserRow> for User {
    type Error = RowError;

    fn try_from(row: UserRow) -> Result<Self, RowError> {
        let username = row.username.as_deref().map(Username::try_new).transpose();
        let full_name = row.full_name.as_deref().map(FullName::try_new).transpose();
        let locale = row.locale.as_deref().map(Locale::try_new).transpose();
        Ok(Self {
            id: row.id.0,
            email: EmailAddress::try_new(&row.email).map_err(|_| RowError("users.email"))?,
            username: username.map_err(|_| RowError("users.username"))?,
            full_name: full_name.map_err(|_| RowError("users.full_name"))?,
            locale: locale.map_err(|_| RowError("users.locale"))?,
            role: Role::parse(&row.role).map_err(|_| RowError("users.role"))?,
            status: parse_status(&row.status).ok_or(RowError("users.status"))?,
            epoch: Epoch::new(row.epoch),
            sessions_epoch: Epoch::new(row.sessions_epoch),
            created_at: row.created_at.0,
            updated_at: row.updated_at.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keystead_domain::Timestamp;
    use keystead_domain::account::UserId;

    fn user() -> User {
        User {
            id: UserId::from_random([7; 16]),
            email: EmailAddress::try_new("ada@example.com").unwrap(),
            username: Some(Username::try_new("ada").unwrap()),
            full_name: Some(FullName::try_new("Ada Lovelace").unwrap()),
            locale: Some(Locale::try_new("pt-BR").unwrap()),
            role: Role::SuperAdmin,
            status: AccountStatus::Deactivated,
            epoch: Epoch::new(7),
            sessions_epoch: Epoch::new(5),
            created_at: Timestamp::from_micros(1_700_000_000_000_001),
            updated_at: Timestamp::from_micros(1_700_000_000_000_002),
        }
    }

    #[test]
    fn a_user_survives_the_way_to_a_row_and_back() {
        for status in [AccountStatus::Active, AccountStatus::Banned, AccountStatus::Deactivated] {
            let user = User { status, ..user() };
            assert_eq!(User::try_from(UserRow::from(&user)), Ok(user));
        }
    }

    #[test]
    fn an_impossible_value_names_its_column_and_is_not_printed() {
        let row = UserRow { role: "emperor".into(), ..UserRow::from(&user()) };
        let error = User::try_from(row).unwrap_err();
        assert_eq!(error, RowError("users.role"));
        assert!(!error.to_string().contains("emperor"));
    }
}
