use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use keystead_domain::{SecretBytes, SecretString};

use super::keys::{self, Fallback, Key};
use super::problem::{ConfigErrors, Problem, Source};
use super::{Config, encode_master_key};

/// Widest comment line.
const WIDTH: usize = 100;

/// What `keystead init` was told.
#[derive(Clone, Debug)]
pub struct InitOptions {
    /// The file to be written; relative paths in it start at its directory.
    pub out: PathBuf,
    /// The database file, as given: relative to the working directory.
    pub sqlite: PathBuf,
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
}

/// The commented configuration for these options. It was loaded once: it holds no problem that
/// [`Config::load`] would refuse, else those are returned and nothing need be written.
pub fn render_init(options: &InitOptions) -> Result<SecretString, ConfigErrors> {
    let database = database_url(options)?;
    let master_key = encode_master_key(&options.master_key);
    let listen = options.listen.to_string();
    let set = |key: &str| -> Option<&str> {
        match key {
            "http.listen" => Some(&listen),
            "http.public_url" => Some(&options.public_url),
            "store.url" => Some(&database),
            "secrets.master_key" => Some(&master_key),
            "mail.smtp_url" => options.smtp_url.as_ref().map(SecretString::expose),
            "mail.from" => options.mail_from.as_deref(),
            _ => None,
        }
    };
    let mut text = String::from(
        "# Keystead. Keep this file secret: whoever reads it can read the database.\n\
         # Any key can also be set in the environment (http.listen as KEYSTEAD_HTTP__LISTEN) or as a flag\n\
         # (--set http.listen=…). Every secret can be moved to a file of its own: <key>_file = \"path\".\n\
         # Lines that begin with \"#\" and a key show what holds without them.\n",
    );
    for key in keys::all().iter().filter(|key| key.section().is_empty()) {
        write_key(&mut text, key, None);
    }
    for (section, about) in keys::SECTIONS {
        let _ = write!(text, "\n# {about}\n[{section}]\n");
        for key in keys::all().iter().filter(|key| key.section() == *section && !key.secret_file) {
            write_key(&mut text, key, set(&key.name));
        }
    }
    Config::from_text(&options.out, &text)?;
    Ok(SecretString::new(text))
}

/// A relative path stays one when file and database lie in the working directory, so that the folder can be moved.
fn database_url(options: &InitOptions) -> Result<String, ConfigErrors> {
    let here = options.out.parent().is_none_or(|dir| dir.as_os_str().is_empty() || dir == Path::new("."));
    let path = if here { Ok(options.sqlite.clone()) } else { std::path::absolute(&options.sqlite) };
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
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        // The first error is the one worth telling.
        let _ = std::fs::remove_file(path);
    }
    written
}
