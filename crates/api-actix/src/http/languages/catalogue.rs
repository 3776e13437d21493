use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;

use crate::http::Code;

/// The texts of one language.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Catalogue {
    /// What codes mean, by their names.
    pub codes: HashMap<String, String>,
    /// What details say, by their English texts. `{name}` stands for what goes into a text: anything.
    pub details: HashMap<String, String>,
    /// The keys of `details` that hold such places.
    #[serde(skip)]
    patterns: Vec<String>,
}

impl Catalogue {
    /// Reads the text of a catalogue. The tests read every catalogue there is; one that cannot be read says nothing, and
    /// its language is answered in English.
    pub(super) fn read(text: &str) -> Self {
        let mut catalogue: Self = toml::from_str(text).unwrap_or_default();
        catalogue.patterns = catalogue.details.keys().filter(|key| key.contains('{')).cloned().collect();
        // The pattern with more text of its own fits better; the order of a map is none.
        catalogue.patterns.sort_by_key(|key| (std::cmp::Reverse(own_text(key)), key.clone()));
        catalogue
    }

    /// What a code means.
    pub(super) fn code(&self, code: Code) -> &str {
        self.codes.get(code.as_str()).map_or(code.meaning(), String::as_str)
    }

    /// What an English text says.
    pub(super) fn detail(&self, english: &str) -> Option<Cow<'static, str>> {
        if let Some(text) = self.details.get(english) {
            return Some(text.clone().into());
        }
        self.patterns.iter().find_map(|pattern| {
            let values = captured(pattern, english)?;
            let text = self.details.get(pattern)?;
            Some(values.iter().fold(text.clone(), |text, (name, value)| text.replace(name, value)).into())
        })
    }
}

/// How much of a pattern is text.
fn own_text(pattern: &str) -> usize {
    pieces(pattern).iter().map(|(text, _)| text.len()).sum()
}

/// A pattern as texts, each with the place after it, braces included; empty after the last.
fn pieces(pattern: &str) -> Vec<(&str, &str)> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while let Some((text, place, after)) = next_piece(rest) {
        pieces.push((text, place));
        rest = after;
    }
    pieces.push((rest, ""));
    pieces
}

fn next_piece(pattern: &str) -> Option<(&str, &str, &str)> {
    let (text, from) = pattern.split_at_checked(pattern.find('{')?)?;
    let (place, after) = from.split_at_checked(from.find('}')? + 1)?;
    Some((text, place, after))
}

/// What stands at the places of a pattern in a text that fits it.
pub(super) fn captured<'a>(pattern: &'a str, text: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let pieces = pieces(pattern);
    let (first, _) = pieces.first()?;
    let mut rest = text.strip_prefix(first)?;
    let mut values = Vec::new();
    for pair in pieces.windows(2) {
        let [(_, place), (next, after)] = pair else { return None };
        let (value, remaining) = if after.is_empty() && next.is_empty() {
            (rest, "")
        } else if after.is_empty() {
            (rest.strip_suffix(next)?, "")
        } else {
            rest.split_once(next)?
        };
        values.push((*place, value));
        rest = remaining;
    }
    rest.is_empty().then_some(values)
}
