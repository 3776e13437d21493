//! Files of accounts.

use keystead_api_actix::cli::read_user_line;
use keystead_api_actix::http::Time;
use keystead_application::operation::{ForeignContact, ForeignUser};
use keystead_application::ports::ForeignHash;
use keystead_domain::account::AccountStatus;
use serde_json::{Map, Value, json};

use crate::check;
use crate::strict::Strict;

/// `import_line`: a line of a file for `keystead user import`.
pub(super) fn line(bytes: &[u8]) {
    match read_user_line(bytes) {
        Ok(user) => {
            let json = Strict::read(bytes).expect("what was taken is JSON");
            assert!(json.members().is_some(), "what was taken is an object without twins");
            let written = written(&user);
            assert_eq!(read_user_line(written.as_bytes()).as_ref(), Ok(&user), "{written}");
        }
        // It is printed, and may be about a file nobody looked into.
        Err(reason) => check::one_line(&reason, 512),
    }
}

/// The line an account of another system would be exported as.
fn written(user: &ForeignUser) -> String {
    let mut line = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        line.extend(value.map(|value| (name.to_owned(), value)));
    };
    put("id", user.id.map(|id| id.to_string().into()));
    let email = user.email.as_ref();
    put("email", email.map(|contact| contact.address.as_str().into()));
    put("emailVerified", verified(email));
    let phone = user.phone.as_ref();
    put("phone", phone.map(|contact| contact.address.as_str().into()));
    put("phoneVerified", verified(phone));
    put("username", user.username.as_ref().map(|name| name.as_str().into()));
    put("fullName", user.full_name.as_ref().map(|name| name.as_str().into()));
    put("locale", user.locale.as_ref().map(|locale| locale.as_str().into()));
    put("role", Some(user.role.as_str().into()));
    put("isActive", Some((user.status != AccountStatus::Banned).into()));
    put("isDeactivated", Some((user.status == AccountStatus::Deactivated).into()));
    put("createdAt", user.created_at.and_then(|at| serde_json::to_value(Time(at)).ok()));
    put("passwordHash", user.password.as_ref().map(credential));
    Value::Object(line).to_string()
}

fn verified<A>(contact: Option<&ForeignContact<A>>) -> Option<Value> {
    contact.map(|contact| contact.is_verified.into())
}

fn credential(hash: &ForeignHash) -> Value {
    match hash {
        ForeignHash::Text(text) => text.expose().into(),
        ForeignHash::Keycloak { credential_data, secret_data } => {
            json!({"credentialData": credential_data.expose(), "secretData": secret_data.expose()})
        }
    }
}
