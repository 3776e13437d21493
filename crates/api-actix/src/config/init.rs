use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use keystead_domain::{SecretBytes, SecretString};

use super::keys::{self, Fallback, Key, Kind};
use super::problem::{ConfigErrors, Problem, Source};
use super::{Config, Risk, encode_master_key};

/// Widest comment line.
const WIDTH: usize = 100;

/// Where the data will live.
#[derive(Clone, Debug)]
pub enum InitStore {
    /// In a file, as given: relative to the working directory.
    Sqlite(PathBuf),
    /// In PostgreSQL and Redis.
    Shared {
        /// The address of PostgreSQL.
        postgres: SecretString,
        /// The address of Redis.
        redis: SecretString,
    },
}

/// How a configuration for `deploy/compose` differs: its secrets stand in an environment file, its proxy is known.
#[derive(Clone, Debug, Default)]
pub struct InitCompose {
    /// More variables of the environment file: what the other containers need.
    pub variables: Vec<(&'static str, SecretString)>,
    /// Dangers the network of the containers makes bearable.
    pub unsafe_allow: Vec<Risk>,
    /// The proxy's address in that network.
    pub proxy: &'static str,
}

/// What `keystead init` writes.
pub struct Rendered {
    /// The configuration file.
    pub config: SecretString,
    /// The environment file, for [`InitOptions::compose`].
    pub environment: Option<SecretString>,
    /// What browsers will see, without a slash at the end.
    pub origin: String,
}

/// What `keystead init` was told.
#[derive(Clone, Debug)]
pub struct InitOptions {
    /// The file to be written; relative paths in it start at its directory.
    pub out: PathBuf,
    /// Where the data will live.
    pub store: InitStore,
    /// What browsers will see.
    pub public_url: String,
    /// Where to listen.
    pub listen: SocketAddr,
    /// The mail server.
    pub smtp_url: Option<SecretString>,
    /// Sender of mails.
    pub mail_from: Option<String>,
    /// Fresh random bytes.
    pub master_key: SecretBytes,
    /// Whether it is for containers.
    pub compose: Option<InitCompose>,
}

/// The commented configuration for these options. It was loaded once: it holds no problem that
/// [`Config::load`] would refuse, else those are returned and nothing need be written.
pub fn render_init(options: &InitOptions) -> Result<Rendered, ConfigErrors> {
    let values = values(options)?;
    let apart = options.compose.is_some();
    let is_apart = |key: &Key| apart && key.kind == Kind::Secret;
    let set = |key: &Key| values.iter().find(|(name, _)| *name == key.name).map(|(_, value)| value.expose());
    let mut text = String::from(if apart { HEAD_APART } else { HEAD });
    for key in keys::all().iter().filter(|key| key.section().is_empty()) {
        write_key(&mut text, key, set(key));
    }
    for (section, about) in keys::SECTIONS {
        let _ = write!(text, "\n# {about}\n[{section}]\n");
        for key in keys::all().iter().filter(|key| key.section() == *section && !key.secret_file) {
            match (is_apart(key), set(key)) {
                (true, Some(_)) => {
                    let _ = writeln!(text, "\n# {} is set by {} in .env.", key.name, key.env());
                }
                (_, value) => write_key(&mut text, key, value),
            }
        }
    }
    let secrets = keys::all().iter().filter(|key| is_apart(key));
    let env: Vec<(String, String)> =
        secrets.filter_map(|key| set(key).map(|value| (key.env(), value.to_owned()))).collect();
    let origin = Config::from_text(&options.out, &text, &env)?.http.public_url.as_str().to_owned();
    let environment = options.compose.as_ref().map(|compose| environment(&env, &compose.variables));
    Ok(Rendered { config: SecretString::new(text), environment, origin })
}

const HEAD: &str = "# Keystead. Keep this file secret: whoever reads it can read the database.\n\
                    # Any key can also be set in the environment (http.listen as KEYSTEAD_HTTP__LISTEN) or as a flag\n\
                    # (--set http.listen=…). Every secret can be moved to a file of its own: <key>_file = \"path\".\n\
                    # Lines that begin with \"#\" and a key show what holds without them.\n";
const HEAD_APART: &str = "# Keystead, for containers. The secrets are in .env; there are none in this file.\n\
                          # Any key can also be set in the environment: http.listen as KEYSTEAD_HTTP__LISTEN.\n\
                          # Lines that begin with \"#\" and a key show what holds without them.\n";

/// What is set, key by key.
fn values(options: &InitOptions) -> Result<Vec<(&'static str, SecretString)>, ConfigErrors> {
    let plain = |text: &str| SecretString::new(text.to_owned());
    let mut values = vec![
        ("http.listen", plain(&options.listen.to_string())),
        ("http.public_url", plain(&options.public_url)),
        ("secrets.master_key", plain(&encode_master_key(&options.master_key))),
    ];
    match &options.store {
        InitStore::Sqlite(path) => values.push(("store.url", plain(&database_url(&options.out, path)?))),
        InitStore::Shared { postgres, redis } => {
            values.extend([("store.url", postgres.clone()), ("store.redis_url", redis.clone())]);
        }
    }
    values.extend(options.smtp_url.iter().map(|url| ("mail.smtp_url", url.clone())));
    values.extend(options.mail_from.iter().map(|from| ("mail.from", plain(from))));
    if let Some(compose) = &options.compose {
        let names: Vec<&str> = compose.unsafe_allow.iter().map(|risk| risk.as_str()).collect();
        values.extend((!names.is_empty()).then(|| ("unsafe_allow", plain(&names.join(",")))));
        values.push(("http.trusted_proxies", plain(compose.proxy)));
    }
    Ok(values)
}

/// An environment file: in single quotes nothing of a value is taken for anything else.
fn environment(env: &[(String, String)], more: &[(&'static str, SecretString)]) -> SecretString {
    let mut text = String::from("# Keep this file secret: whoever reads it can read the database.\n");
    let more = more.iter().map(|(name, value)| (*name, value.expose()));
    for (name, value) in env.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(more) {
        let _ = writeln!(text, "{name}='{}'", value.replace('\'', "%27"));
    }
    SecretString::new(text)
}

/// A relative path stays one when file and database lie in the working directory, so that the folder can be moved.
fn database_url(out: &Path, sqlite: &Path) -> Result<String, ConfigErrors> {
    let here = out.parent().is_none_or(|dir| dir.as_os_str().is_empty() || dir == Path::new("."));
    let path = if here { Ok(sqlite.to_owned()) } else { std::path::absolute(sqlite) };
    match path.as_ref().ok().and_then(|path| path.to_str()) {
        Some(path) => Ok(format!("sqlite://{path}")),
        None => Err(ConfigErrors(vec![Problem {
            key: "store.url".to_owned(),
            source: Source::Flag("store.url".to_owned()),
            what: "is not a path that can be written down".to_owned(),
            fix: "give the database as a path in UTF-8".to_owned(),
        }])),
    }
}

fn write_key(text: &mut String, key: &Key, value: Option<&str>) {
    text.push('\n');
    for line in wrap(&key.meaning, WIDTH - 2) {
        let _ = writeln!(text, "# {line}");
    }
    if let (Fallback::Described { note, .. }, None) = (&key.fallback, value) {
        let _ = writeln!(text, "# Without it: {note}.");
    }
    let name = key.name.split_once('.').map_or(key.name.as_str(), |(_, name)| name);
    let name = name.replace(keys::social::ANY, keys::social::EXAMPLE);
    let off = if value.is_some() { "" } else { "# " };
    let _ = writeln!(text, "{off}{name} = {}", key.toml(value.unwrap_or(key.sample())));
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Writes a new file that only its owner can read. Never overwrites: an existing file is `AlreadyExists`. A file that
/// could not be written whole is removed again.
pub fn write_new_private(path: &Path, text: &str) -> io::Result<()> {
    write_new(path, text, 0o600)
}

/// Writes a new file with these permissions, as [`write_new_private`] does.
pub fn write_new(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let mut file = options.open(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        // The first error is the one worth telling.
        let _ = std::fs::remove_file(path);
    }
    written
}
