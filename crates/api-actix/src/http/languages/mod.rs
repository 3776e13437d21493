//! What errors say, in the language the client asks for.
//!
//! English is the source: the meaning of a [`Code`], and the texts handlers and domain errors give as
//! [`Problem::detail`](super::Problem::detail). The other languages are catalogues (`<tag>.toml` beside this file) whose
//! keys are the names of codes and the English texts, as in gettext: whoever writes a new text writes nothing else, and a
//! test fails until every catalogue has it. Codes, titles and pointers stay as they are in every language.
//!
//! Nothing here is done for an answer that is no error.

mod catalogue;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::LazyLock;

use actix_web::http::header::{self, HeaderMap, HeaderValue};
use keystead_domain::language::LanguageRanges;

use super::Code;
use catalogue::Catalogue;

/// A language errors are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Indonesian.
    Indonesian,
    /// German.
    German,
    /// French.
    French,
    /// Spanish.
    Spanish,
    /// Portuguese.
    Portuguese,
}

/// The catalogues of all languages but English; read when the first error in another language is.
static CATALOGUES: LazyLock<[Catalogue; 5]> = LazyLock::new(|| SOURCES.map(Catalogue::read));

/// Their texts.
const SOURCES: [&str; 5] = [
    include_str!("id.toml"),
    include_str!("de.toml"),
    include_str!("fr.toml"),
    include_str!("es.toml"),
    include_str!("pt.toml"),
];

/// Longest `Accept-Language` that is kept with a message, in bytes. Browsers send less than a hundred.
const MAX_KEPT: usize = 256;

/// What a request's sender reads, as sent, to be looked at when a message to them is written.
pub fn accept_language(headers: &HeaderMap) -> Option<String> {
    let list = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
    (!list.is_empty() && list.len() <= MAX_KEPT).then(|| list.to_owned())
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 6] =
        [Self::English, Self::Indonesian, Self::German, Self::French, Self::Spanish, Self::Portuguese];

    /// The tag (BCP 47).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Indonesian => "id",
            Self::German => "de",
            Self::French => "fr",
            Self::Spanish => "es",
            Self::Portuguese => "pt",
        }
    }

    /// The language of a tag or a list of ranges (RFC 4647 section 3.4); `None` when none of ours is in it.
    pub fn lookup(list: &str) -> Option<Self> {
        let tag = LanguageRanges::parse(list).lookup(&Self::ALL.into_iter().map(Self::tag))?;
        Self::ALL.into_iter().find(|language| language.tag() == tag)
    }

    /// What `Accept-Language` asks for, else `default`. A header nobody can read asks for nothing.
    pub fn of_request(headers: &HeaderMap, default: Self) -> Self {
        let mut lists = headers.get_all(header::ACCEPT_LANGUAGE).filter_map(|value| value.to_str().ok());
        match (lists.next(), lists.next()) {
            (Some(list), None) => Self::lookup(list).unwrap_or(default),
            // Two headers are two lists, which nobody sends.
            _ => default,
        }
    }

    /// The value of `Content-Language`.
    pub const fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.tag())
    }

    const fn catalogue(self) -> Option<usize> {
        match self {
            Self::English => None,
            Self::Indonesian => Some(0),
            Self::German => Some(1),
            Self::French => Some(2),
            Self::Spanish => Some(3),
            Self::Portuguese => Some(4),
        }
    }

    /// What an error says: `detail`, an English text, in this language; without one, what the code means.
    pub(super) fn say(self, code: Code, detail: Option<&str>) -> Cow<'_, str> {
        let catalogue = self.catalogue().and_then(|index| CATALOGUES.get(index));
        match (catalogue, detail) {
            (None, None) => code.meaning().into(),
            (None, Some(detail)) => detail.into(),
            (Some(catalogue), None) => catalogue.code(code).into(),
            (Some(catalogue), Some(detail)) if detail == code.meaning() => catalogue.code(code).into(),
            (Some(catalogue), Some(detail)) => catalogue.detail(detail).unwrap_or(detail.into()),
        }
    }
}
