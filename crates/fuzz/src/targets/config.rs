//! Configuration: the file, and single settings from the environment and the command line.

use std::path::Path;

use keystead_api_actix::config::keys::{self, Kind};
use keystead_api_actix::config::{Config, ConfigErrors, ConfigSources};

use crate::input::text;

/// Part of every secret: where it is shown, a secret is.
const MARK: &str = "Zq7xMARKx7qZ";

/// `config_file`: the text of a configuration file.
pub(super) fn file(bytes: &[u8]) {
    let Some(written) = text(bytes).filter(|written| !names_a_file(written)) else { return };
    let env = [("KEYSTEAD_SECRETS__MASTER_KEY".to_owned(), MARK.to_owned())];
    judged(Config::from_text(Path::new("keystead.toml"), written, &env), &[MARK]);
}

/// `config_pairs`: settings, one a line: `key=value` as a flag, `KEYSTEAD_KEY=value` as a variable.
pub(super) fn pairs(bytes: &[u8]) {
    let Some(written) = text(bytes).filter(|written| !names_a_file(written)) else { return };
    let mut sources = ConfigSources::default();
    let mut secrets = Vec::new();
    for pair in written.split('\n').take(64) {
        let Some((name, value)) = pair.split_once('=') else { continue };
        let is_secret =
            keys::all().iter().any(|key| key.kind == Kind::Secret && (key.name == name || key.env() == name));
        let value = if is_secret { format!("{value}{MARK}") } else { value.to_owned() };
        // The path of a SQLite file is no secret.
        if is_secret && !value.starts_with("sqlite:") {
            secrets.push(MARK);
        }
        let pair = (name.to_owned(), value);
        if name.starts_with(keys::ENV_PREFIX) { sources.env.push(pair) } else { sources.flags.push(pair) }
    }
    if sources.env.iter().chain(&sources.flags).any(|(_, value)| value.starts_with("sqlite:")) {
        secrets.clear();
    }
    judged(Config::load(sources), &secrets);
}

/// A configuration says what is wrong with it, or what is dangerous; never what is secret.
fn judged(read: Result<Config, ConfigErrors>, secrets: &[&str]) {
    let said = match read {
        Ok(config) => {
            let (dangers, debug) = (config.check_safety(), format!("{config:?}"));
            format!("{dangers:?} {debug}")
        }
        Err(errors) => {
            assert!(!errors.0.is_empty(), "refused without a reason");
            errors.to_string()
        }
    };
    for secret in secrets {
        assert!(!said.contains(secret), "a secret is shown: {said}");
    }
}

/// Settings that name files would have the fuzzer read them.
fn names_a_file(written: &str) -> bool {
    written.contains("_file")
        || written.contains("_FILE")
        || written.contains("\\u")
        || written.contains("\\U")
        || written.contains("\\x")
}
