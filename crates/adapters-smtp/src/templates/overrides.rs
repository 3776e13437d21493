//! The operator's own templates, `<directory>/<locale>/<file>`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use keystead_application::ports::RenderError;
use keystead_domain::account::Locale;

use super::embedded::{KINDS, MESSAGES, SHARED, SMS};

/// Sources of templates by name, `<locale>/<file>`.
pub(super) type Sources = BTreeMap<String, Cow<'static, str>>;

/// Adds the operator's templates to the built-in ones. A file nobody would ever use is a mistake to report.
pub(super) fn read(directory: &Path, sources: &mut Sources, problems: &mut Vec<RenderError>) {
    for (locale, path) in entries(directory, problems) {
        if !path.is_dir() {
            continue;
        }
        if !Locale::try_new(&locale).is_ok_and(|parsed| parsed.as_str() == locale) {
            let what = format!("{locale}: the folder is not named after a locale such as en or pt-BR");
            problems.push(RenderError(what));
            continue;
        }
        for (file, path) in entries(&path, problems) {
            let name = format!("{locale}/{file}");
            if !is_known(&file) {
                problems.push(RenderError(format!("{name}: no message uses this file")));
                continue;
            }
            match fs::read_to_string(path) {
                Ok(source) => drop(sources.insert(name, Cow::Owned(source))),
                Err(error) => problems.push(RenderError(format!("{name}: {error}"))),
            }
        }
    }
}

/// Names and paths in a folder, in order, without hidden files.
fn entries(directory: &Path, problems: &mut Vec<RenderError>) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let listed = fs::read_dir(directory).and_then(|entries| {
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') {
                found.push((name, entry.path()));
            }
        }
        Ok(())
    });
    if let Err(error) = listed {
        problems.push(RenderError(format!("{}: {error}", directory.display())));
    }
    found.sort();
    found
}

fn is_known(file: &str) -> bool {
    SHARED.contains(&file)
        || file
            .split_once('.')
            .is_some_and(|(message, kind)| MESSAGES.contains(&message) && (kind == SMS || KINDS.contains(&kind)))
}
