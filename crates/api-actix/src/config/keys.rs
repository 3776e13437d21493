//! The one table of settings. The loader, the hints for unknown keys, the comments of `keystead init` and
//! `docs/configuration.md` are all made from it.

mod attendance;
mod captcha;
mod factors;
mod languages;
pub(super) mod social;
mod table;
mod upkeep;

use std::sync::LazyLock;

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One line of text.
    Text,
    /// Text that is never shown; `<key>_file` names a file holding it.
    Secret,
    /// A path; a relative one in the configuration file starts at that file's directory.
    Path,
    /// A number and a unit: `20m`.
    Duration,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Bool,
    /// A count and a window: `10/15m`.
    Rate,
    /// A list of texts; separated by commas in the environment and in flags.
    List,
}

/// What holds when a key is not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// This value.
    Value(String),
    /// What the note says; the example is a value one could write.
    Described {
        /// What holds.
        note: &'static str,
        /// A value that could be set.
        example: &'static str,
    },
    /// Nothing: the service does not start without it.
    Required {
        /// A value that could be set.
        example: &'static str,
    },
}

/// One setting.
#[derive(Clone, Debug)]
pub struct Key {
    /// The full name: `http.listen`.
    pub name: String,
    /// How it is written.
    pub kind: Kind,
    /// What holds without it.
    pub fallback: Fallback,
    /// What it does, in one or two sentences.
    pub meaning: String,
    /// Whether it is the `_file` form of a secret.
    pub secret_file: bool,
}

impl Key {
    /// The environment variable: `KEYSTEAD_HTTP__LISTEN`.
    pub fn env(&self) -> String {
        format!("{ENV_PREFIX}{}", self.name.to_ascii_uppercase().replace('.', "__").replace('-', "_"))
    }

    /// The section, `http`; empty for a key outside all sections.
    pub fn section(&self) -> &str {
        self.name.split_once('.').map_or("", |(section, _)| section)
    }

    /// The built-in value, else an example of one.
    pub fn sample(&self) -> &str {
        match &self.fallback {
            Fallback::Value(value) => value,
            Fallback::Described { example, .. } | Fallback::Required { example } => example,
        }
    }

    /// A value of this key as TOML.
    pub fn toml(&self, value: &str) -> String {
        let quote = |text: &str| toml::Value::String(text.to_owned()).to_string();
        match self.kind {
            Kind::Integer | Kind::Bool => value.to_owned(),
            Kind::List => {
                let items: Vec<String> = split_list(value).iter().map(|item| quote(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Kind::Text | Kind::Secret | Kind::Path | Kind::Duration | Kind::Rate => quote(value),
        }
    }
}

/// What names of environment variables begin with.
pub const ENV_PREFIX: &str = "KEYSTEAD_";

/// Every section with what it is about, in the order of the documentation.
pub const SECTIONS: &[(&str, &str)] = &[
    ("http", "Where the service listens, and under which name the world knows it."),
    ("store", "Where the data lives."),
    ("secrets", "What protects the data at rest."),
    ("tokens", "Access tokens and sessions."),
    ("registration", "Who may open an account."),
    ("login", "What a login asks for."),
    ("mfa", "What becomes of wrong second factors."),
    ("totp", "Codes of authenticator programs."),
    ("passkeys", "Passkeys and security keys."),
    ("passwords", "What passwords must be, and how they are hashed."),
    ("mail", "How mail leaves. Without `smtp_url` and `sendgrid_key` it waits in the outbox."),
    ("languages", "In what language people are spoken to."),
    ("sms", "How text messages leave. Without a provider numbers cannot be used."),
    ("social", "Where people may have accounts that open theirs here: Google, GitHub, any OpenID Connect provider."),
    ("captcha", "What keeps programs from asking: work for the processor of whoever asks, or a company's captcha."),
    ("limits", "How often things may be tried."),
    ("attendance", "Who comes and goes when."),
    ("admin", "What people in charge may do."),
    ("audit", "Where audit events go besides the database."),
    ("retention", "How long what nobody needs any more is kept."),
    ("log", "What is written to standard error."),
];

/// Every key, in the order of the documentation.
pub fn all() -> &'static [Key] {
    static KEYS: LazyLock<Vec<Key>> = LazyLock::new(table::table);
    &KEYS
}

/// The key of that name.
pub fn find(name: &str) -> Option<&'static Key> {
    all().iter().find(|key| key.name == name).or_else(|| social::of_provider(name))
}

/// Items of a list written on one line.
pub(super) fn split_list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use keystead_domain::limits;

    use super::*;

    #[test]
    fn names_variables_and_sections_are_distinct_and_known() {
        let names: HashSet<_> = all().iter().map(|key| key.name.as_str()).collect();
        let variables: HashSet<_> = all().iter().map(Key::env).collect();
        assert_eq!((names.len(), variables.len()), (all().len(), all().len()));
        for key in all().iter().filter(|key| key.name != "unsafe_allow") {
            assert!(SECTIONS.iter().any(|(section, _)| *section == key.section()), "{}", key.name);
        }
        for (section, _) in SECTIONS {
            assert!(all().iter().any(|key| key.section() == *section), "{section} is empty");
        }
    }

    #[test]
    fn every_secret_has_a_file_form_and_every_policy_a_key() {
        for key in all().iter().filter(|key| key.kind == Kind::Secret) {
            assert!(find(&format!("{}_file", key.name)).is_some_and(|file| file.secret_file), "{}", key.name);
        }
        for policy in limits::RATE_POLICIES {
            assert!(find(&format!("limits.{}", policy.name)).is_some(), "{}", policy.name);
        }
    }

    #[test]
    fn variables_nest_with_two_underscores() {
        assert_eq!(find("http.tls.key_file").unwrap().env(), "KEYSTEAD_HTTP__TLS__KEY_FILE");
        assert_eq!(find("limits.register-verify").unwrap().env(), "KEYSTEAD_LIMITS__REGISTER_VERIFY");
    }
}
