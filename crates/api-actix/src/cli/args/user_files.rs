//! `keystead user import`, `keystead user export`.

use std::path::PathBuf;

use clap::Args;

use super::DataArgs;

/// `keystead user import`.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct UserImportArgs {
    /// Lines of JSON, a user each; - for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Look and tell, write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write what became of each line into a new file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Take contacts that were never verified: whoever registered somebody else's address there will own it here
    #[arg(long)]
    pub assume_verified: bool,
    /// Take hashes that are guessed at leisure when stolen: salted SHA, and PBKDF2 with fewer than 1000 iterations
    #[arg(long)]
    pub allow_salted_sha: bool,
    /// Take users with a role above `user`: whoever can write into the file makes administrators
    #[arg(long)]
    pub allow_roles: bool,
    /// Users in one transaction
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub batch: u16,
    /// Which data.
    #[command(flatten)]
    pub data: DataArgs,
}

/// `keystead user export`.
#[derive(Args, Clone, Debug)]
pub struct UserExportArgs {
    /// Password hashes, too: whoever gets the file can guess at every password in it, as long as they like
    #[arg(long)]
    pub with_password_hashes: bool,
    /// A new file that only you can read, instead of standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Which data.
    #[command(flatten)]
    pub data: DataArgs,
}
