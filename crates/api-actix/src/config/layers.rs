//! Lays the sources over each other: defaults < file < environment < flags.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::keys::{self, ENV_PREFIX, Key, Kind, split_list};
use super::problem::{Problem, Source};
use super::values::nearest;

/// A value before it is understood.
pub(super) enum Raw {
    Text(Zeroizing<String>),
    List(Vec<String>),
}

pub(super) struct Entry {
    pub(super) raw: Raw,
    pub(super) source: Source,
}

/// What the sources say, the later ones winning, and what was wrong with how they say it.
#[derive(Default)]
pub(super) struct Layers {
    pub(super) entries: BTreeMap<String, Entry>,
    pub(super) problems: Vec<Problem>,
    /// Whether the file itself holds a secret, effective or not.
    pub(super) secret_in_file: bool,
}

/// Whether a value of a key that may hold a secret holds none: the path of a SQLite file.
fn is_harmless(raw: &Raw) -> bool {
    matches!(raw, Raw::Text(text) if text.starts_with("sqlite://"))
}

impl Layers {
    /// Adds the text of a configuration file. `false`, adding nothing but problems, when it is not TOML: what a parser
    /// makes of the rest of a broken file is not what its author meant.
    pub(super) fn add_file(&mut self, path: &Path, text: &str) -> bool {
        let (table, errors) = DeTable::parse_recoverable(text);
        let at = |offset: usize| Source::File { path: path.to_owned(), line: line_of(text, offset) };
        for error in errors {
            // Not the error's Display: it prints the line, and the line may hold a secret.
            let source = at(error.span().map_or(0, |span| span.start));
            let fix = "correct the TOML on this line: key = \"value\", lists in [ ], sections as [name]";
            self.problem("configuration file", source, format!("is not valid TOML: {}", error.message()), fix);
        }
        if !self.problems.is_empty() {
            return false;
        }
        let mut found = Vec::new();
        self.walk("", table.get_ref(), &at, &mut found);
        self.secret_in_file = found.iter().any(|(key, entry)| key.kind == Kind::Secret && !is_harmless(&entry.raw));
        self.add_layer(found);
        true
    }

    fn walk<'k>(
        &mut self,
        prefix: &str,
        table: &DeTable<'_>,
        at: &impl Fn(usize) -> Source,
        found: &mut Vec<(&'k Key, Entry)>,
    ) where
        'static: 'k,
    {
        for (name, value) in table {
            let full =
                if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
            let source = at(name.span().start);
            let is_section =
                keys::all().iter().any(|key| is_inside(&key.name, &full)) || keys::social::is_section(&full);
            match (keys::find(&full), value.get_ref()) {
                (Some(key), value) => match raw(key.kind, value) {
                    Some(raw) => found.push((key, Entry { raw, source })),
                    None => self.problem(
                        &full,
                        source,
                        format!("is {}, not {}", value_type(value), wanted(key.kind)),
                        &form(key),
                    ),
                },
                (None, DeValue::Table(inner)) if is_section => self.walk(&full, inner, at, found),
                (None, _) if is_section => {
                    self.problem(
                        &full,
                        source,
                        "is a section, not a value".to_owned(),
                        &format!("write [{full}] and its keys below it"),
                    );
                }
                (None, value) => self.unknown(&full, source, matches!(value, DeValue::Table(_))),
            }
        }
    }

    /// Adds environment variables; those without our prefix, and empty ones, are passed over.
    pub(super) fn add_env(&mut self, variables: &[(String, String)]) {
        let mut found = Vec::new();
        for (name, value) in variables {
            let Some(rest) = name.strip_prefix(ENV_PREFIX) else { continue };
            if value.is_empty() || is_service_link(rest, value) {
                continue;
            }
            let source = Source::Env(name.clone());
            let key = keys::all().iter().find(|key| key.env() == *name);
            if let Some(key) = key.or_else(|| keys::social::of_variable(name)) {
                found.push((key, Entry { raw: text(key.kind, value), source }));
            } else {
                let hint = nearest(&rest.to_ascii_lowercase().replace("__", "."), key_names());
                let hint = hint.and_then(keys::find).map(Key::env).unwrap_or_default();
                self.problem(name, source, "is not a setting".to_owned(), &format!("did you mean {hint}?"));
            }
        }
        self.add_layer(found);
    }

    /// Adds flags: `--set key=value`, in order.
    pub(super) fn add_pairs(&mut self, pairs: &[(String, String)], source: impl Fn(&str) -> Source) {
        let mut found: Vec<(&Key, Entry)> = Vec::new();
        for (name, value) in pairs {
            match keys::find(name) {
                Some(key) => {
                    found.retain(|(earlier, _)| earlier.name != key.name);
                    found.push((key, Entry { raw: text(key.kind, value), source: source(name) }));
                }
                None => self.unknown(name, source(name), false),
            }
        }
        self.add_layer(found);
    }

    /// Lays one source over what is there. A secret and its `_file` displace each other, but not within one source.
    fn add_layer(&mut self, found: Vec<(&Key, Entry)>) {
        for (key, _) in found.iter().filter(|(key, _)| key.secret_file) {
            let direct = key.name.trim_end_matches("_file");
            if let Some((_, entry)) = found.iter().find(|(other, _)| other.name == direct) {
                let fix = format!("keep one of {direct} and {}", key.name);
                self.problem(direct, entry.source.clone(), format!("is set, and so is {}", key.name), &fix);
            }
        }
        for (key, entry) in found {
            if key.secret_file {
                self.entries.remove(key.name.trim_end_matches("_file"));
            } else if key.kind == Kind::Secret {
                self.entries.remove(&format!("{}_file", key.name));
            }
            self.entries.insert(key.name.clone(), entry);
        }
    }

    fn unknown(&mut self, name: &str, source: Source, is_table: bool) {
        let sections = || keys::SECTIONS.iter().map(|(section, _)| *section);
        let fix = if is_table {
            nearest(name, sections()).map(|hint| format!("did you mean [{hint}]?"))
        } else {
            nearest(name, key_names()).map(|hint| format!("did you mean {hint}?"))
        };
        let what = if is_table { "is not a section" } else { "is not a setting" };
        self.problem(&name.escape_debug().to_string(), source, what.to_owned(), &fix.unwrap_or_default());
    }

    pub(super) fn problem(&mut self, key: &str, source: Source, what: String, fix: &str) {
        self.problems.push(Problem { key: key.to_owned(), source, what, fix: fix.to_owned() });
    }
}

fn key_names() -> impl Iterator<Item = &'static str> {
    keys::all().iter().map(|key| key.name.as_str())
}

fn is_inside(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// A value written where only text can be: the environment, a flag, the table of defaults.
pub(super) fn text(kind: Kind, value: &str) -> Raw {
    match kind {
        Kind::List => Raw::List(split_list(value)),
        _ => Raw::Text(Zeroizing::new(value.to_owned())),
    }
}

/// A value of the file; `None` when it has the wrong TOML type.
fn raw(kind: Kind, value: &DeValue<'_>) -> Option<Raw> {
    let text = |text: &str| Some(Raw::Text(Zeroizing::new(text.to_owned())));
    match (kind, value) {
        (Kind::Integer, DeValue::Integer(number)) => match u64::from_str_radix(number.as_str(), number.radix()) {
            Ok(decimal) => text(&decimal.to_string()),
            Err(_) => text(number.as_str()),
        },
        (Kind::Bool, DeValue::Boolean(value)) => text(if *value { "true" } else { "false" }),
        (Kind::List, DeValue::Array(items)) => {
            let item = |item: &toml::Spanned<DeValue<'_>>| item.get_ref().as_str().map(str::to_owned);
            items.iter().map(item).collect::<Option<Vec<_>>>().map(Raw::List)
        }
        (Kind::Integer | Kind::Bool | Kind::List, _) => None,
        (_, DeValue::String(value)) => text(value),
        _ => None,
    }
}

fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Integer => "a whole number",
        Kind::Bool => "true or false",
        Kind::List => "a list of texts",
        Kind::Text | Kind::Secret | Kind::Path | Kind::Duration | Kind::Rate => "a text in quotes",
    }
}

fn value_type(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list that holds something else",
        DeValue::Table(_) => "a section",
    }
}

/// How the key is written, with its default or an example.
pub(super) fn form(key: &Key) -> String {
    let name = key.name.split_once('.').map_or(key.name.as_str(), |(_, name)| name);
    let sample = if key.kind == Kind::List && key.sample().is_empty() { "one, two" } else { key.sample() };
    match key.section() {
        "" => format!("write {name} = {} above all sections", key.toml(sample)),
        section => format!("write {name} = {} under [{section}]", key.toml(sample)),
    }
}

/// Kubernetes sets variables for every service it knows (`KEYSTEAD_PORT=tcp://…` for a service named `keystead`): they
/// are not meant for us, and must not keep a pod from starting.
fn is_service_link(rest: &str, value: &str) -> bool {
    !rest.contains("__")
        && (rest.ends_with("SERVICE_HOST")
            || rest.contains("SERVICE_PORT")
            || rest.contains("_TCP_")
            || rest.contains("_UDP_")
            || value.starts_with("tcp://")
            || value.starts_with("udp://"))
}
