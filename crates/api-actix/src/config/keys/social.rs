//! What the keys of providers of identities are. Each provider has a section of its own, whose name the operator chooses.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use keystead_domain::social::ProviderId;

use super::table::{Row, described};
use super::{ENV_PREFIX, Key, Kind};

/// Stands for the provider's name in [`super::all`].
pub(in crate::config) const ANY: &str = "<provider>";
/// Stands for it where a real name is needed.
pub(in crate::config) const EXAMPLE: &str = "example";

pub(super) fn social() -> Vec<Row> {
    vec![
        (
            "social.<provider>.preset",
            Kind::Text,
            described("`github` for a provider called so, else `oidc`", "oidc"),
            "What it speaks: `oidc` for OpenID Connect, `github` for GitHub and GitHub Enterprise Server. The provider's name \
             in the key is yours to choose; it stands in addresses.",
        ),
        (
            "social.<provider>.client_id",
            Kind::Text,
            described("none; every provider needs one", "keystead"),
            "The client id the provider gave you. Register `<http.public_url>/api/v1/social/<provider>/callback` there as the \
             address people come back to.",
        ),
        (
            "social.<provider>.client_secret",
            Kind::Secret,
            described("a public client, which PKCE alone protects", "<secret>"),
            "The client secret the provider gave you.",
        ),
        (
            "social.<provider>.issuer",
            Kind::Text,
            described("known for `google`, `gitlab` and `github`; others need one", "https://accounts.example.com"),
            "The issuer, exactly as the provider calls itself; with `preset = \"github\"` the address of an Enterprise \
             Server. https, unless it is on this machine.",
        ),
        (
            "social.<provider>.display_name",
            Kind::Text,
            described("the name in the key", "Example"),
            "What people call the provider.",
        ),
        (
            "social.<provider>.scopes",
            Kind::List,
            described("who they are and their address", "openid,email,profile"),
            "What is asked for.",
        ),
        (
            "social.<provider>.vouches_for_addresses",
            Kind::Bool,
            described("yes for `google`, `gitlab` and `github` at their own addresses; no for others", "true"),
            "Whether you believe the provider when it says that it verified an address. If not, a code is mailed first, and \
             nobody gets into an account by an address alone. Say yes only where nobody can write an address into an account \
             that is not theirs, and where an address that was given up is not believed of who had it.",
        ),
    ]
}

/// Whether this is the section of one provider.
pub(in crate::config) fn is_section(name: &str) -> bool {
    name.strip_prefix("social.").is_some_and(|provider| ProviderId::try_new(provider).is_ok())
}

/// The key of one provider: the row of all of them, with its name. Made once for each name that is asked for, which are
/// those the operator writes.
pub(super) fn of_provider(name: &str) -> Option<&'static Key> {
    static KEYS: LazyLock<Mutex<BTreeMap<String, &'static Key>>> = LazyLock::new(Mutex::default);
    let (provider, setting) = name.strip_prefix("social.")?.split_once('.')?;
    ProviderId::try_new(provider).ok()?;
    let row = format!("social.{ANY}.{setting}");
    let row = super::all().iter().find(|key| key.name == row)?;
    let mut keys = KEYS.lock().unwrap_or_else(PoisonError::into_inner);
    Some(keys.entry(name.to_owned()).or_insert_with(|| {
        let meaning = row.meaning.replace(ANY, provider);
        Box::leak(Box::new(Key { name: name.to_owned(), meaning, ..row.clone() }))
    }))
}

/// The key of one provider that an environment variable names: `KEYSTEAD_SOCIAL__MY_IDP__CLIENT_ID` is
/// `social.my-idp.client_id`.
pub(in crate::config) fn of_variable(name: &str) -> Option<&'static Key> {
    let (provider, setting) = name.strip_prefix(ENV_PREFIX)?.strip_prefix("SOCIAL__")?.split_once("__")?;
    let provider = provider.to_ascii_lowercase().replace('_', "-");
    of_provider(&format!("social.{provider}.{}", setting.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_has_its_own_keys() {
        let key = of_provider("social.my-idp.client_secret_file").unwrap();
        assert_eq!((key.name.as_str(), key.secret_file), ("social.my-idp.client_secret_file", true));
        assert!(std::ptr::eq(key, of_variable(&key.env()).unwrap()));
        assert!(of_provider("social.my-idp.clientid").is_none());
        assert!(of_provider("social.My.client_id").is_none() && of_provider("social.client_id").is_none());
        assert!(of_variable("KEYSTEAD_SOCIAL__CLIENT_ID").is_none());
    }
}
