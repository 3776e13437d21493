//! How commands end.

use std::process::ExitCode;

use crate::compose::ComposeError;
use crate::config::{ConfigErrors, EX_CONFIG};

/// Exit code of a check that did its work and found something wrong.
const EX_FOUND: u8 = 3;

/// A command did its work, or did not.
pub type Outcome = Result<(), Trouble>;

/// Why a command did not do its work.
#[derive(Debug)]
pub enum Trouble {
    /// The configuration is invalid or unsafe: exit code 78.
    Config(String),
    /// What was looked for was found: exit code 3.
    Found(String),
    /// Anything else: exit code 1.
    Failed(String),
}

impl Trouble {
    /// A failure in these words.
    pub fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// What the process ends with.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) => ExitCode::from(EX_CONFIG),
            Self::Found(_) => ExitCode::from(EX_FOUND),
            Self::Failed(_) => ExitCode::FAILURE,
        }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Config(text) => f.write_str(text.trim_end()),
            Self::Found(text) | Self::Failed(text) => write!(f, "error: {}", text.trim_end()),
        }
    }
}

impl From<ConfigErrors> for Trouble {
    fn from(errors: ConfigErrors) -> Self {
        Self::Config(errors.to_string())
    }
}

impl From<ComposeError> for Trouble {
    fn from(error: ComposeError) -> Self {
        Self::failed(error)
    }
}

/// Prints a line of output. A closed pipe ends the command quietly.
pub(super) fn say(text: impl std::fmt::Display) {
    use std::io::Write as _;
    if writeln!(std::io::stdout().lock(), "{text}").is_err() {
        std::process::exit(0);
    }
}
