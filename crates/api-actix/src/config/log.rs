use tracing_subscriber::EnvFilter;

use super::problem::Invalid;
use super::reader::{Reader, Reading};
use super::values::choice;

/// `[log]`: what is written to standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// A filter in the syntax of `tracing_subscriber::EnvFilter`, checked.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    #[default]
    Json,
    /// For people.
    Text,
}

impl LogConfig {
    pub(super) fn read(r: &mut Reader) -> Reading<Self> {
        let level = r.value("log.level", |text| match EnvFilter::builder().parse(text) {
            Ok(_) if is_plain(text) => Ok(text.to_owned()),
            _ => {
                let fix = "write error, warn, info, debug or trace, or a filter: \"info,keystead_adapters_smtp=debug\"";
                Err(Invalid::new(format!("{text:?} is not a log filter"), fix))
            }
        });
        let known = [("json", LogFormat::Json), ("text", LogFormat::Text)];
        let format = r.value("log.format", |text| choice(text, &known));
        Ok(Self { level: level?, format: format? })
    }
}

/// The filter language takes any word for the name of a module, so that `inof` silently shows nothing: a word alone must
/// be a level.
fn is_plain(text: &str) -> bool {
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let is_level = |word: &str| levels.contains(&word.to_ascii_lowercase().as_str());
    text.split(',').all(|part| part.contains(['=', '[']) || is_level(part.trim()))
}
