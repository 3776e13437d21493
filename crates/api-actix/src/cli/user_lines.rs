//! Users as lines of JSON, for `keystead user import` and `keystead user export`.

use keystead_application::operation::{ExportedUser, ForeignContact, ForeignUser};
use keystead_application::ports::ForeignHash;
use keystead_domain::account::{
    AccountStatus, EmailAddress, FullName, Locale, PasswordHash, PhoneNumber, Role, UserId, Username,
};
use keystead_domain::{SecretString, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::http::log_text;

/// What a credential of Keycloak's may have besides its two parts.
const OF_KEYCLOAK: [&str; 7] = ["id", "type", "userLabel", "createdDate", "priority", "temporary", "algorithm"];

/// A line of a file to import. Every value is looked at by hand: what serde says of a value of the wrong type repeats it, and
/// it may be a secret.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ReadLine {
    id: Option<Value>,
    email: Option<Value>,
    email_verified: Option<Value>,
    phone: Option<Value>,
    phone_verified: Option<Value>,
    username: Option<Value>,
    full_name: Option<Value>,
    locale: Option<Value>,
    role: Option<Value>,
    is_active: Option<Value>,
    is_deactivated: Option<Value>,
    created_at: Option<Value>,
    password_hash: Option<Value>,
}

/// Reads a line. The error says what is wrong with it, on one line itself, and repeats nothing but names of keys.
pub fn read(line: &[u8]) -> Result<ForeignUser, String> {
    // A key may hold whatever moves a terminal's cursor.
    understood(line).map_err(|reason| log_text(&reason))
}

fn understood(line: &[u8]) -> Result<ForeignUser, String> {
    let line: ReadLine = serde_json::from_slice(line).map_err(|error| reason(&error))?;
    let id = text("id", line.id.as_ref())?.map(|id| UserId::parse(&id.to_ascii_lowercase()).ok_or("id: not a UUID"));
    let email = parsed("email", line.email.as_ref(), EmailAddress::try_new)?;
    let phone = parsed("phone", line.phone.as_ref(), PhoneNumber::try_new)?;
    let email_verified = flag("emailVerified", line.email_verified.as_ref())?.unwrap_or(false);
    let phone_verified = flag("phoneVerified", line.phone_verified.as_ref())?.unwrap_or(false);
    let is_active = flag("isActive", line.is_active.as_ref())?.unwrap_or(true);
    let is_deactivated = flag("isDeactivated", line.is_deactivated.as_ref())?.unwrap_or(false);
    Ok(ForeignUser {
        id: id.transpose()?,
        email: email.map(|address| ForeignContact { address, is_verified: email_verified }),
        phone: phone.map(|address| ForeignContact { address, is_verified: phone_verified }),
        username: parsed("username", line.username.as_ref(), Username::try_new)?,
        full_name: parsed("fullName", line.full_name.as_ref(), FullName::try_new)?,
        locale: parsed("locale", line.locale.as_ref(), Locale::try_new)?,
        role: parsed("role", line.role.as_ref(), Role::parse)?.unwrap_or(Role::User),
        status: match (is_deactivated, is_active) {
            (true, _) => AccountStatus::Deactivated,
            (false, true) => AccountStatus::Active,
            (false, false) => AccountStatus::Banned,
        },
        created_at: parsed("createdAt", line.created_at.as_ref(), time)?,
        password: line.password_hash.map(password).transpose()?,
    })
}

/// What is wrong with the line as a whole.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let about_a_key = text.starts_with("unknown field") || text.starts_with("duplicate field");
    match error.classify() {
        // serde goes on with every key there is, and the place.
        serde_json::error::Category::Data if about_a_key => {
            let end = text.find("`, expected").or_else(|| text.find("` at line"));
            end.and_then(|end| text.get(..=end)).unwrap_or(&text).to_owned()
        }
        serde_json::error::Category::Data => "not a JSON object".to_owned(),
        _ => format!("not JSON, from column {} on", error.column()),
    }
}

fn text<'a>(key: &str, value: Option<&'a Value>) -> Result<Option<&'a str>, String> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{key}: not a text")),
    }
}

fn flag(key: &str, value: Option<&Value>) -> Result<Option<bool>, String> {
    match value {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(format!("{key}: neither true nor false")),
    }
}

fn parsed<T, E: std::fmt::Display>(
    key: &str,
    value: Option<&Value>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, String> {
    let parsed = text(key, value)?.map(parse);
    parsed.transpose().map_err(|error| format!("{key}: {error}"))
}

fn time(text: &str) -> Result<Timestamp, &'static str> {
    let at: jiff::Timestamp = text.parse().map_err(|_| "not a time as in RFC 3339, such as 2026-11-22T08:00:00Z")?;
    if at.as_second() < 0 { Err("before 1970") } else { Ok(Timestamp::from_micros(at.as_microsecond())) }
}

/// A text, or a credential of Keycloak's, whose parts are texts of JSON or JSON.
fn password(value: Value) -> Result<ForeignHash, String> {
    let mut object = match value {
        Value::String(text) => return Ok(ForeignHash::Text(SecretString::new(text))),
        Value::Object(object) => object,
        _ => return Err("passwordHash: neither a text nor a credential of Keycloak".to_owned()),
    };
    let credential_data = part(&mut object, "credentialData")?;
    let secret_data = part(&mut object, "secretData")?;
    if object.get("type").is_some_and(|kind| kind != "password") {
        return Err("passwordHash: a credential of another type than password".to_owned());
    }
    match object.keys().find(|key| !OF_KEYCLOAK.contains(&key.as_str())) {
        Some(key) => Err(format!("passwordHash: unknown field `{key}`")),
        None => Ok(ForeignHash::Keycloak { credential_data, secret_data }),
    }
}

fn part(object: &mut Map<String, Value>, key: &str) -> Result<SecretString, String> {
    match object.remove(key) {
        Some(Value::String(text)) => Ok(SecretString::new(text)),
        Some(Value::Object(part)) => Ok(SecretString::new(Value::Object(part).to_string())),
        _ => Err(format!("passwordHash: no {key}")),
    }
}

/// A line of an export: what [`read`] reads back.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenLine<'a> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    full_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<&'a str>,
    role: &'static str,
    is_active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_deactivated: Option<bool>,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hash: Option<&'a str>,
}

/// Writes a user as a line, without its end.
pub(super) fn write(exported: &ExportedUser) -> Result<String, serde_json::Error> {
    let user = &exported.user;
    let at = user.created_at.as_micros();
    serde_json::to_string(&WrittenLine {
        id: user.id.to_string(),
        email: user.email_address().map(EmailAddress::as_str),
        email_verified: user.email.as_ref().map(|_| true),
        phone: user.phone.as_ref().map(|contact| contact.address.as_str()),
        phone_verified: user.phone.as_ref().map(|_| true),
        username: user.username.as_ref().map(Username::as_str),
        full_name: user.full_name.as_ref().map(FullName::as_str),
        locale: user.locale.as_ref().map(Locale::as_str),
        role: user.role.as_str(),
        is_active: user.is_active(),
        is_deactivated: (user.status == AccountStatus::Deactivated).then_some(true),
        created_at: jiff::Timestamp::from_microsecond(at).map_or_else(|_| at.to_string(), |at| at.to_string()),
        password_hash: exported.password.as_ref().map(PasswordHash::as_str),
    })
}

#[cfg(test)]
mod tests {
    use keystead_domain::account::{Contact, Epoch, User};

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let id = UserId::from_random([7; 16]);
        let full = ExportedUser {
            user: User {
                id,
                email: Some(Contact {
                    id: id.into(),
                    address: EmailAddress::try_new("ada@example.com").unwrap(),
                    otp_enabled: false,
                }),
                phone: Some(Contact {
                    id: id.into(),
                    address: PhoneNumber::try_new("+442079460958").unwrap(),
                    otp_enabled: false,
                }),
                username: Some(Username::try_new("ada").unwrap()),
                full_name: Some(FullName::try_new("Ada \"L\" Lovelace").unwrap()),
                locale: Some(Locale::try_new("en-GB").unwrap()),
                role: Role::SuperAdmin,
                status: AccountStatus::Active,
                epoch: Epoch::default(),
                sessions_epoch: Epoch::default(),
                created_at: Timestamp::from_micros(1_700_000_000_123_456),
                updated_at: Timestamp::from_micros(0),
            },
            password: Some(PasswordHash::new("$2b$05$x".to_owned())),
        };
        let bare = ExportedUser {
            user: User { phone: None, username: None, full_name: None, locale: None, ..full.user.clone() },
            password: None,
        };
        for status in [AccountStatus::Active, AccountStatus::Banned, AccountStatus::Deactivated] {
            for exported in [&full, &bare] {
                let user = User { status, ..exported.user.clone() };
                let line = write(&ExportedUser { user: user.clone(), password: exported.password.clone() }).unwrap();
                let read = read(line.as_bytes()).unwrap();
                let verified = |address| ForeignContact { address, is_verified: true };
                let expected = ForeignUser {
                    id: Some(user.id),
                    email: user.email.map(|contact| verified(contact.address)),
                    phone: user.phone.map(|contact| ForeignContact { address: contact.address, is_verified: true }),
                    username: user.username,
                    full_name: user.full_name,
                    locale: user.locale,
                    role: user.role,
                    status,
                    created_at: Some(user.created_at),
                    password: exported
                        .password
                        .as_ref()
                        .map(|hash| ForeignHash::Text(SecretString::new(hash.as_str().to_owned()))),
                };
                assert_eq!(read, expected, "{line}");
            }
        }
    }

    #[test]
    fn a_key_of_the_file_does_not_reach_the_terminal_as_it_is() {
        for line in [r#"{"a\u001b[31mb":1}"#, r#"{"passwordHash":{"credentialData":"","secretData":"","a\nb":1}}"#] {
            let reason = read(line.as_bytes()).unwrap_err();
            assert!(reason.contains("unknown field") && !reason.chars().any(char::is_control), "{reason:?}");
        }
        let long = format!(r#"{{"{}":1}}"#, "k".repeat(5000));
        assert!(read(long.as_bytes()).unwrap_err().len() <= 512);
    }

    #[test]
    fn keys_left_out_have_their_defaults() {
        let read =
            read(br#"{"email":"Ada@Example.com","id":"07070707-0707-4707-8707-070707070707","phone":null}"#).unwrap();
        let email = read.email.unwrap();
        assert_eq!((email.address.as_str(), email.is_verified), ("ada@example.com", false));
        assert_eq!((read.role, read.status, read.created_at), (Role::User, AccountStatus::Active, None));
        assert_eq!((read.phone, read.password), (None, None));
    }

    #[test]
    fn parts_of_a_credential_are_texts_or_objects() {
        let texts = br#"{"passwordHash":{"type":"password","credentialData":"{\"a\":1}","secretData":"{\"b\":2}"}}"#;
        let objects = br#"{"passwordHash":{"credentialData":{"a":1},"secretData":{"b":2},"createdDate":5}}"#;
        let password = |line: &[u8]| read(line).unwrap().password.unwrap();
        assert_eq!(password(texts), password(objects));
        let ForeignHash::Keycloak { credential_data, secret_data } = password(texts) else { panic!("a text") };
        assert_eq!((credential_data.expose(), secret_data.expose()), (r#"{"a":1}"#, r#"{"b":2}"#));
    }

    #[test]
    fn a_refusal_names_the_key_and_never_a_value() {
        for (line, word) in [
            (r#"{"mail":"hunter2"}"#, "unknown field `mail`"),
            (r#"{"email":"hunter2"}"#, "email: "),
            (r#"{"email":"a@example.com","email":"hunter2"}"#, "duplicate field `email`"),
            (r#"{"email":["hunter2"]}"#, "email: not a text"),
            (r#"{"emailVerified":"hunter2"}"#, "emailVerified: neither"),
            (r#"{"isActive":1}"#, "isActive: neither"),
            (r#"{"id":"hunter2"}"#, "id: not a UUID"),
            (r#"{"phone":"hunter2"}"#, "phone: "),
            (r#"{"username":"hunter 2"}"#, "username: "),
            (r#"{"locale":"hunter2"}"#, "locale: "),
            (r#"{"role":"hunter2"}"#, "role: "),
            (r#"{"createdAt":"hunter2"}"#, "createdAt: not a time"),
            (r#"{"createdAt":"2026-11-22T08:00:00"}"#, "createdAt: not a time"),
            (r#"{"createdAt":"1969-12-31T23:59:59Z"}"#, "createdAt: before 1970"),
            (r#"{"passwordHash":12345}"#, "passwordHash: neither"),
            (r#"{"passwordHash":{"secretData":"hunter2"}}"#, "no credentialData"),
            (
                r#"{"passwordHash":{"secretData":"hunter2","credentialData":{},"hash":"hunter2"}}"#,
                "unknown field `hash`",
            ),
            (r#"{"passwordHash":{"secretData":"hunter2","credentialData":{},"type":"otp"}}"#, "another type"),
            (r#""hunter2""#, "not a JSON object"),
            (r#"["hunter2"]"#, "not a JSON object"),
            ("hunter2", "not JSON"),
            (r#"{"email":"hunter2"#, "not JSON"),
            (r#"{"email":"a@example.com"} {"hunter2":1}"#, "not JSON"),
        ] {
            let refusal = read(line.as_bytes()).unwrap_err();
            assert!(!refusal.contains("expected one of"), "{refusal}");
            assert!(refusal.contains(word) && !refusal.contains("hunter"), "{line}: {refusal}");
        }
        assert!(read(b"{\"email\":\"\xff\"}").is_err());
    }
}
