use keystead_domain::account::Locale;

use super::problem::Invalid;
use super::reader::{Reader, Reading};

/// `[languages]`: in what language people are spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanguagesConfig {
    /// That of people whose own is not known, or not there.
    pub default: Locale,
}

impl LanguagesConfig {
    pub(super) fn read(r: &mut Reader) -> Reading<Self> {
        let default = r.value("languages.default", |text| {
            let fix = "write en, id, de, fr, es or pt, or a language of mail.templates_dir";
            Locale::try_new(text).map_err(|error| Invalid::new(error.to_string(), fix))
        });
        Ok(Self { default: default? })
    }
}
