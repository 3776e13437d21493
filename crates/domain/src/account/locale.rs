use std::fmt;

use thiserror::Error;

/// The language of a person's mails: a language and an optional region (BCP 47, `en`, `pt-BR`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locale(String);

/// The text is not `ll` or `ll-RR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a locale is a language such as 'en', or a language and a region such as 'pt-BR'")]
pub struct LocaleError;

impl Locale {
    /// Reads a language tag.
    pub fn try_new(text: &str) -> Result<Self, LocaleError> {
        let (language, region) = text.split_once('-').map_or((text, None), |(l, r)| (l, Some(r)));
        let alphabetic = |part: &str| part.bytes().all(|b| b.is_ascii_alphabetic());
        if !(2..=3).contains(&language.len()) || !alphabetic(language) {
            return Err(LocaleError);
        }
        let language = language.to_ascii_lowercase();
        match region {
            None => Ok(Self(language)),
            Some(region) if region.len() == 2 && alphabetic(region) => {
                Ok(Self(format!("{language}-{}", region.to_ascii_uppercase())))
            }
            Some(_) => Err(LocaleError),
        }
    }

    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_have_one_form() {
        assert_eq!(Locale::try_new("PT-br").unwrap().as_str(), "pt-BR");
        assert_eq!(Locale::try_new("en").unwrap().as_str(), "en");
        for text in ["", "e", "english", "en-", "en-GBR", "../x", "e1"] {
            assert_eq!(Locale::try_new(text), Err(LocaleError), "{text:?}");
        }
    }
}
