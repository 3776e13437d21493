//! Logs go to standard error; standard output is for what a command was asked for.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use super::Trouble;
use crate::config::{LogConfig, LogFormat};

/// Starts logging as configured.
pub(super) fn start(config: &LogConfig) -> Result<(), Trouble> {
    let filter = EnvFilter::try_new(&config.level).map_err(|error| {
        Trouble::Config(format!("error: log.level: {error}\n  fix: write error, warn, info or debug"))
    })?;
    let logs = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
        LogFormat::Text => logs.with_target(false).try_init(),
    };
    started.map_err(Trouble::failed)?;
    crate::http::log_panics();
    Ok(())
}
