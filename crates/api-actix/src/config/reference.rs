use std::fmt::Write as _;

use super::keys::{self, Fallback, Key};
use super::safety::Risk;

/// `docs/configuration.md`: every key with its default, its environment variable and its meaning.
pub fn reference_markdown() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         <!-- Generated from crates/api-actix/src/config/keys.rs by `keystead debug docs configuration`. Do not edit. -->\n\n\
         Built-in values are overridden by the file (`--config keystead.toml`), that by the environment, that by flags\n\
         (`--set http.listen=0.0.0.0:443`). `keystead init` writes a first file; `keystead check` tells everything that is\n\
         wrong with one. Unknown keys are errors.\n\n\
         - Durations are a number and a unit: `500ms`, `30s`, `20m`, `2h`, `15d`. Sizes are bytes.\n\
         - Lists are TOML arrays in the file; in the environment and in flags their items are separated by commas.\n\
         - Relative paths in the file start at its directory, elsewhere at the working directory.\n\
         - Every secret can be read from a file: `<key>_file`. Give one of the two.\n\
         - An empty environment variable counts as not set.\n\n",
    );
    table(&mut text, keys::all().iter().filter(|key| key.section().is_empty()));
    for (section, about) in keys::SECTIONS {
        let _ = write!(text, "\n## {section}\n\n{about}\n\n");
        table(&mut text, keys::all().iter().filter(|key| key.section() == *section));
    }
    text.push_str("\n## Dangers that can be accepted\n\n");
    text.push_str("`keystead serve` refuses them, with exit code 78, unless `unsafe_allow` names them.\n\n");
    text.push_str("| name | what you accept |\n|---|---|\n");
    for risk in Risk::all() {
        let _ = writeln!(text, "| `{}` | {} |", risk.as_str(), risk.meaning());
    }
    text
}

fn table<'k>(text: &mut String, rows: impl Iterator<Item = &'k Key>) {
    text.push_str("| key | default | environment | meaning |\n|---|---|---|---|\n");
    for key in rows {
        let default = match &key.fallback {
            Fallback::Value(value) => format!("`{}`", key.toml(value)),
            Fallback::Described { note, .. } => (*note).to_owned(),
            Fallback::Required { .. } => "**must be set**".to_owned(),
        };
        let _ = writeln!(text, "| `{}` | {default} | `{}` | {} |", key.name, key.env(), key.meaning);
    }
}
