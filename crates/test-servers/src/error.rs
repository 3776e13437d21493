//! What can go wrong.

use std::fmt;

/// Programs that are not on this machine, and what installs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The programs that were looked for.
    pub programs: &'static str,
    /// The Debian packages that have them, separated by spaces.
    pub packages: &'static str,
    /// The variable that points the tests at an existing server instead.
    pub variable: &'static str,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { programs, packages, variable } = self;
        write!(
            f,
            "{programs} not found; install: apt-get install -y --no-install-recommends {packages} \
             (or point {variable} at a server of yours)"
        )
    }
}

/// Why a server could not be started or did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Its programs are not installed.
    Missing(Missing),
    /// Everything else, in a sentence.
    Failed(String),
}

impl Error {
    /// A failure in a sentence.
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self::Failed(sentence.into())
    }

    /// Puts what was being done in front of the error of the operating system.
    pub(crate) fn doing<E: fmt::Display>(what: impl fmt::Display) -> impl FnOnce(E) -> Self {
        move |error| Self::Failed(format!("{what}: {error}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(missing) => missing.fmt(f),
            Self::Failed(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for Error {}

/// What everything here returns.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;
