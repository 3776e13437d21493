use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use keystead_domain::SecretString;
use zeroize::Zeroizing;

use super::keys::{self, Fallback, Kind};
use super::layers::{Layers, Raw, form, text};
use super::problem::{ConfigErrors, Invalid, Problem, Source};
use super::values;

/// Nobody keeps a larger secret in a file; a wrong path (a device, a log) must not fill the memory.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// A problem was noted with the [`Reader`]; read on, so that all are told at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Noted;

/// What a getter of the [`Reader`] returns.
pub(super) type Reading<T> = Result<T, Noted>;

/// Reads the merged sources key by key. Getters note what is wrong themselves.
pub(super) struct Reader {
    layers: Layers,
    /// Files that hold secrets, with the key that names them.
    secret_files: Vec<(String, PathBuf)>,
}

impl Reader {
    pub(super) fn new(layers: Layers) -> Self {
        Self { layers, secret_files: Vec::new() }
    }

    /// Where the effective value of a key came from.
    pub(super) fn source(&self, key: &str) -> Source {
        self.layers.entries.get(key).map_or(Source::Default, |entry| entry.source.clone())
    }

    pub(super) fn is_set(&self, key: &str) -> bool {
        self.layers.entries.contains_key(key)
    }

    /// The names of the sections below a section that anything is set in.
    pub(super) fn sections_of(&self, section: &str) -> Vec<String> {
        let keys = self.layers.entries.keys().filter_map(|key| key.strip_prefix(section)?.strip_prefix('.'));
        let mut names: Vec<String> = keys.filter_map(|rest| Some(rest.split_once('.')?.0.to_owned())).collect();
        names.dedup();
        names
    }

    /// Notes a problem with the value of a key.
    pub(super) fn fault(&mut self, key: &str, what: impl Into<String>, fix: impl AsRef<str>) {
        let source = self.source(key);
        self.layers.problem(key, source, what.into(), fix.as_ref());
    }

    fn understand<T>(&mut self, key: &str, read: Result<T, Invalid>) -> Reading<T> {
        read.map_err(|invalid| {
            self.fault(key, invalid.what, invalid.fix);
            Noted
        })
    }

    /// The effective text of a key; `None` when it is not set and nothing is built in.
    fn raw_text(&self, key: &str) -> Option<String> {
        match self.layers.entries.get(key).map(|entry| &entry.raw) {
            Some(Raw::Text(text)) => Some(text.to_string()),
            Some(Raw::List(items)) => Some(items.join(",")),
            None => match &keys::find(key)?.fallback {
                Fallback::Value(value) => Some(value.clone()),
                Fallback::Described { .. } | Fallback::Required { .. } => None,
            },
        }
    }

    /// A value that need not be there.
    pub(super) fn optional<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Reading<Option<T>> {
        match self.raw_text(key) {
            Some(text) => self.understand(key, read(&text)).map(Some),
            None => Ok(None),
        }
    }

    /// A value that must be there, set or built in.
    pub(super) fn value<T>(&mut self, key: &str, read: impl FnOnce(&str) -> Result<T, Invalid>) -> Reading<T> {
        if let Some(value) = self.optional(key, read)? {
            return Ok(value);
        }
        let fix = keys::find(key).map(form).unwrap_or_default();
        self.fault(key, "must be set", fix);
        Err(Noted)
    }

    /// A list, each item read on its own.
    pub(super) fn list<T>(&mut self, key: &str, read: impl Fn(&str) -> Result<T, Invalid>) -> Reading<Vec<T>> {
        let items = match self.layers.entries.get(key).map(|entry| &entry.raw) {
            Some(Raw::List(items)) => items.clone(),
            Some(Raw::Text(_)) | None => match text(Kind::List, &self.raw_text(key).unwrap_or_default()) {
                Raw::List(items) => items,
                Raw::Text(_) => Vec::new(),
            },
        };
        let read: Vec<Reading<T>> = items.iter().map(|item| self.understand(key, read(item))).collect();
        read.into_iter().collect()
    }

    /// A whole number within bounds.
    pub(super) fn integer<N>(&mut self, key: &str, range: RangeInclusive<N>) -> Reading<N>
    where
        N: FromStr + PartialOrd + Display + Copy,
    {
        self.value(key, |text| integer(text, &range))
    }

    /// A whole number within bounds that need not be there.
    pub(super) fn optional_integer<N>(&mut self, key: &str, range: RangeInclusive<N>) -> Reading<Option<N>>
    where
        N: FromStr + PartialOrd + Display + Copy,
    {
        self.optional(key, |text| integer(text, &range))
    }

    /// A duration within bounds.
    pub(super) fn duration(&mut self, key: &str, range: RangeInclusive<Duration>) -> Reading<Duration> {
        self.value(key, |text| {
            let value = values::duration(text)?;
            if range.contains(&value) {
                return Ok(value);
            }
            let (from, to) = (values::duration_text(*range.start()), values::duration_text(*range.end()));
            Err(Invalid::new(format!("{text:?} is out of bounds"), format!("write a duration from {from} to {to}")))
        })
    }

    /// A path that need not be there.
    pub(super) fn path(&mut self, key: &str) -> Reading<Option<PathBuf>> {
        let path = self.optional(key, |text| match text {
            "" => Err(Invalid::new("is empty", "write a path, or leave the key out")),
            text => Ok(PathBuf::from(text)),
        })?;
        Ok(path.map(|path| self.resolve(key, &path)))
    }

    /// Paths written in the file start at the file's directory, so that a configuration can be moved as one folder.
    pub(super) fn resolve(&self, key: &str, path: &Path) -> PathBuf {
        match self.source(key) {
            Source::File { path: file, .. } => file.parent().map_or_else(|| path.to_owned(), |dir| dir.join(path)),
            Source::Default | Source::Env(_) | Source::Flag(_) | Source::Dev => path.to_owned(),
        }
    }

    /// A secret, written directly or in the file that `<key>_file` names.
    pub(super) fn secret(&mut self, key: &str) -> Reading<Option<SecretString>> {
        let file_key = format!("{key}_file");
        if !self.is_set(&file_key) {
            return Ok(self.raw_text(key).map(SecretString::new));
        }
        let Some(path) = self.path(&file_key)? else { return Ok(None) };
        let read = read_secret(&path);
        self.secret_files.push((file_key.clone(), path));
        self.understand(&file_key, read).map(Some)
    }

    /// Notes a file that must be as private as a secret.
    pub(super) fn note_secret_file(&mut self, key: &str, path: &Path) {
        self.secret_files.push((key.to_owned(), path.to_owned()));
    }

    /// The key a secret is set by: itself, or its `_file` form.
    pub(super) fn secret_key(&self, key: &str) -> String {
        let file_key = format!("{key}_file");
        if self.is_set(&file_key) { file_key } else { key.to_owned() }
    }

    /// What was read about the sources themselves, or everything that was wrong.
    pub(super) fn finish(self) -> Result<Origins, ConfigErrors> {
        if !self.layers.problems.is_empty() {
            let mut problems: Vec<Problem> = self.layers.problems;
            problems.dedup();
            return Err(ConfigErrors(problems));
        }
        let sources = self.layers.entries.into_iter().map(|(key, entry)| (key, entry.source)).collect();
        Ok(Origins { sources, secret_files: self.secret_files, secret_in_file: self.layers.secret_in_file })
    }
}

/// Where settings came from; for the safety checks.
#[derive(Clone, Debug)]
pub(super) struct Origins {
    sources: BTreeMap<String, Source>,
    pub(super) secret_files: Vec<(String, PathBuf)>,
    pub(super) secret_in_file: bool,
}

impl Origins {
    pub(super) fn source(&self, key: &str) -> Source {
        self.sources.get(key).cloned().unwrap_or(Source::Default)
    }
}

fn integer<N: FromStr + PartialOrd + Display + Copy>(text: &str, range: &RangeInclusive<N>) -> Result<N, Invalid> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| {
        let fix = format!("write a whole number from {} to {}", range.start(), range.end());
        Invalid::new(format!("{text:?} is not a whole number within bounds"), fix)
    })
}

fn read_secret(path: &Path) -> Result<SecretString, Invalid> {
    let unreadable = |why: &dyn Display| {
        let fix = "make it a file with the secret in it, readable by the user the service runs as";
        Invalid::new(format!("{} cannot be read: {why}", path.display()), fix)
    };
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let mut content = Zeroizing::new(String::new());
    file.take(MAX_SECRET_BYTES + 1).read_to_string(&mut content).map_err(|error| unreadable(&error))?;
    if content.len() as u64 > MAX_SECRET_BYTES {
        return Err(unreadable(&format!("more than {MAX_SECRET_BYTES} bytes are too many for a secret")));
    }
    let secret = content.trim_end_matches(['\n', '\r']).len();
    content.truncate(secret);
    if content.is_empty() {
        return Err(Invalid::new(format!("{} is empty", path.display()), "write the secret into it"));
    }
    Ok(SecretString::new(content.to_string()))
}
