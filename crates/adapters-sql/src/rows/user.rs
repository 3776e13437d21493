use diesel::prelude::*;
use keystead_domain::account::{
    AccountStatus, Contact, ContactId, EmailAddress, Epoch, FullName, Locale, PhoneNumber, Role, User, UserId, Username,
};

use crate::RowError;
use crate::schema::users;
use crate::types::{At, Uid};

/// A row of `users`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = users, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the fields of the domain's User")]
pub struct UserRow {
    pub id: Uid,
    pub email: Option<String>,
    pub username: Option<String>,
    pub full_name: Option<String>,
    pub locale: Option<String>,
    pub role: String,
    pub status: String,
    pub epoch: i64,
    pub sessions_epoch: i64,
    pub created_at: At,
    pub updated_at: At,
    pub phone: Option<String>,
    /// Absent: the user's own.
    pub email_contact_id: Option<Uid>,
    /// Absent: the user's own.
    pub phone_contact_id: Option<Uid>,
    pub email_otp: bool,
    pub phone_otp: bool,
}

/// The name of a status in stores.
pub const fn status_name(status: AccountStatus) -> &'static str {
    match status {
        AccountStatus::Active => "active",
        AccountStatus::Banned => "banned",
        AccountStatus::Deactivated => "deactivated",
    }
}

/// Reads the name of a status in stores.
pub fn parse_status(text: &str) -> Option<AccountStatus> {
    [AccountStatus::Active, AccountStatus::Banned, AccountStatus::Deactivated]
        .into_iter()
        .find(|status| status_name(*status) == text)
}

/// The identifier of a contact, unless it is its owner's.
fn own_id<A>(user: &User, contact: Option<&Contact<A>>) -> Option<Uid> {
    contact.map(|contact| contact.id).filter(|id| *id != ContactId::from(user.id)).map(|id| Uid::of(id.as_uuid()))
}

fn contact<A>(user: UserId, address: A, id: Option<Uid>, otp_enabled: bool) -> Contact<A> {
    Contact { id: id.map_or_else(|| user.into(), |id| ContactId::new(id.uuid())), address, otp_enabled }
}

impl From<&User> for UserRow {
    fn from(user: &User) -> Self {
        Self {
            id: Uid(user.id),
            email: user.email.as_ref().map(|contact| contact.address.to_string()),
            username: user.username.as_ref().map(ToString::to_string),
            full_name: user.full_name.as_ref().map(ToString::to_string),
            locale: user.locale.as_ref().map(ToString::to_string),
            role: user.role.as_str().to_owned(),
            status: status_name(user.status).to_owned(),
            epoch: user.epoch.number(),
            sessions_epoch: user.sessions_epoch.number(),
            created_at: At(user.created_at),
            updated_at: At(user.updated_at),
            phone: user.phone.as_ref().map(|contact| contact.address.to_string()),
            email_contact_id: own_id(user, user.email.as_ref()),
            phone_contact_id: own_id(user, user.phone.as_ref()),
            email_otp: user.email.as_ref().is_some_and(|contact| contact.otp_enabled),
            phone_otp: user.phone.as_ref().is_some_and(|contact| contact.otp_enabled),
        }
    }
}

impl TryFrom<UserRow> for User {
    type Error = RowError;

    fn try_from(row: UserRow) -> Result<Self, RowError> {
        let username = row.username.as_deref().map(Username::try_new).transpose();
        let locale = row.locale.as_deref().map(Locale::try_new).transpose();
        let email = row.email.as_deref().map(EmailAddress::try_new).transpose().map_err(|_| RowError("users.email"))?;
        let number = |text| PhoneNumber::from_stored(text).ok_or(RowError("users.phone"));
        let phone = row.phone.as_deref().map(number).transpose()?;
        Ok(Self {
            id: row.id.0,
            email: email.map(|address| contact(row.id.0, address, row.email_contact_id, row.email_otp)),
            phone: phone.map(|address| contact(row.id.0, address, row.phone_contact_id, row.phone_otp)),
            username: username.map_err(|_| RowError("users.username"))?,
            full_name: row.full_name.map(FullName::from_stored),
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

    fn user() -> User {
        let id = UserId::from_random([7; 16]);
        User {
            id,
            email: Some(contact(id, EmailAddress::try_new("ada@example.com").unwrap(), None, true)),
            phone: None,
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
    fn contacts_keep_their_identifiers_and_one_of_the_owners_takes_no_room() {
        let number = PhoneNumber::from_stored("+442079460958").unwrap();
        let other = Uid::of(uuid::Uuid::from_bytes([9; 16]));
        let phone = Some(contact(user().id, number, Some(other), false));
        let user = User { email: None, phone, ..user() };
        let row = UserRow::from(&user);
        assert_eq!((row.email_contact_id, row.phone_contact_id), (None, Some(other)));
        assert_eq!(User::try_from(row), Ok(user));
        assert_eq!(UserRow::from(&self::user()).email_contact_id, None);
    }

    #[test]
    fn a_name_of_the_version_before_costs_nobody_their_account() {
        for name in ["Dr.med. Anna Schmidt", "Visit evil.example"] {
            let row = UserRow { full_name: Some(name.into()), ..UserRow::from(&user()) };
            assert_eq!(User::try_from(row).unwrap().full_name.unwrap().as_str(), name);
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
