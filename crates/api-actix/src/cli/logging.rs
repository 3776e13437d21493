//! Logs go to standard error; standard output is for what a command was asked for, and for audit events.

use tracing_subscriber::filter::{Directive, LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

use super::Trouble;
use crate::config::{LogConfig, LogFormat};

/// What the events of the audit stream are called in the log.
pub(crate) const AUDIT_TARGET: &str = "keystead::audit";

/// What clients alone cause in actix-http, as often as they like: a "stream error" for each request that is no HTTP. Such a
/// request is answered 400; what fails on our side we log ourselves.
const CAUSED_BY_CLIENTS: &str = "actix_http::h1::dispatcher=off,actix_http::h1::decoder=off";

/// The filter of the log: the configured one and, unless that names actix-http or asks for everything at debug level, without
/// what would let anybody flood the log.
fn filter_text(level: &str) -> String {
    let is_detailed = |part: &str| ["debug", "trace"].contains(&part.trim().to_ascii_lowercase().as_str());
    if level.contains("actix_http") || level.split(',').any(is_detailed) {
        return level.to_owned();
    }
    format!("{level},{CAUSED_BY_CLIENTS}")
}

/// Starts logging as configured. With `stream`, audit events are lines of JSON on standard output, whatever the level and
/// the format of the log; without, they are nowhere.
pub(super) fn start(config: &LogConfig, stream: bool) -> Result<(), Trouble> {
    let invalid = |error: &dyn std::fmt::Display| {
        Trouble::Config(format!("error: log.level: {error}\n  fix: write error, warn, info or debug"))
    };
    let filter = EnvFilter::try_new(filter_text(&config.level)).map_err(|error| invalid(&error))?;
    let no_audit: Directive = format!("{AUDIT_TARGET}=off").parse().map_err(|error| invalid(&error))?;
    let filter = filter.add_directive(no_audit);
    let logs = fmt::layer().with_writer(std::io::stderr);
    let logs = match config.format {
        LogFormat::Json => logs.json().flatten_event(true).with_filter(filter).boxed(),
        LogFormat::Text => logs.with_target(false).with_filter(filter).boxed(),
    };
    let audit = stream.then(|| {
        // A reader that is gone is not told of in the log for each event.
        let lines = fmt::layer().with_writer(std::io::stdout).log_internal_errors(false).json().flatten_event(true);
        lines.with_filter(Targets::new().with_target(AUDIT_TARGET, LevelFilter::INFO))
    });
    tracing_subscriber::registry().with(logs).with(audit).try_init().map_err(Trouble::failed)?;
    crate::http::log_panics();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_flood_the_log_only_where_somebody_asked_for_it() {
        for level in ["info", "warn", "ERROR", "info,keystead_adapters_smtp=debug"] {
            let filter = filter_text(level);
            assert_eq!(filter, format!("{level},{CAUSED_BY_CLIENTS}"));
            assert!(EnvFilter::builder().parse(&filter).is_ok(), "{filter}");
        }
        for level in ["debug", " TRACE", "info,actix_http=error", "warn,actix_http::h1=trace"] {
            assert_eq!(filter_text(level), level);
        }
    }
}
