//! `keystead reminders …`.

use clap::Subcommand;

use super::DataArgs;

/// `keystead reminders …`.
#[derive(Debug, Subcommand)]
pub enum RemindersCommand {
    /// Remind whoever checked in today and not out, now; each once a day, however often it runs
    #[command(after_help = "Example:\n  keystead reminders run --config keystead.toml\n\n\
        For cron. The service does it by itself where attendance.reminder is set; it also sends the messages, so it must run.")]
    Run(DataArgs),
}
