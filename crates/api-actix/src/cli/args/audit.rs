//! `keystead audit …`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};
use keystead_application::ports::ChainLink;
use keystead_domain::Timestamp;

use super::DataArgs;

/// `keystead audit …`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check that nobody changed, deleted, added or moved an event; reads only
    #[command(after_help = "Example:\n  keystead audit verify --config keystead.toml\n\n\
        Keep the printed head on another machine and give it as --kept the next time: without it, whoever deletes the\n\
        newest events together with their checkpoints is not noticed.\n\
        Exit code 3: problems were found.")]
    Verify(AuditVerifyArgs),
    /// Write events as lines of JSON, oldest first
    #[command(
        after_help = "Example:\n  keystead audit export --config keystead.toml --from 2026-01-01T00:00:00Z \\\n    \
        --until 2026-02-01T00:00:00Z --out january.jsonl"
    )]
    Export(AuditExportArgs),
}

/// `keystead audit verify`.
#[derive(Args, Clone, Debug)]
pub struct AuditVerifyArgs {
    /// A head that an earlier run printed: the log must contain it
    #[arg(long, value_name = "POSITION:HEX")]
    pub kept: Option<KeptHead>,
    /// Which data.
    #[command(flatten)]
    pub data: DataArgs,
}

/// `keystead audit export`.
#[derive(Args, Clone, Debug)]
pub struct AuditExportArgs {
    /// Nothing before this time
    #[arg(long, value_name = "RFC3339", value_parser = point_in_time)]
    pub from: Option<Timestamp>,
    /// Nothing at or after this time
    #[arg(long, value_name = "RFC3339", value_parser = point_in_time)]
    pub until: Option<Timestamp>,
    /// A new file that only you can read, instead of standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Which data.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Where the chain of audit events ended at some time, as it is kept elsewhere: `1234:9f86d0…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptHead(pub ChainLink);

impl FromStr for KeptHead {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (position, digits) = text.split_once(':')?;
            let position = position.parse().ok().filter(|position| *position >= 0)?;
            let mut hash = [0; 32];
            if digits.len() != 2 * hash.len() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
                *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
            }
            Some(Self(ChainLink { position, hash }))
        };
        read().ok_or_else(|| "write the head as `keystead audit verify` printed it: POSITION:HEX".to_owned())
    }
}

impl fmt::Display for KeptHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.0.position)?;
        self.0.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads a point in time (RFC 3339 section 5.6).
fn point_in_time(text: &str) -> Result<Timestamp, String> {
    let time = text.parse::<jiff::Timestamp>();
    time.map(|at| Timestamp::from_micros(at.as_microsecond()))
        .map_err(|_| "write a time as in RFC 3339: 2026-01-31T00:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use clap::error::ErrorKind;

    use super::super::{Cli, Command};
    use super::*;

    #[test]
    fn a_kept_head_is_read_as_it_was_printed() {
        let hex = "00ff".repeat(16);
        let head: KeptHead = format!("12:{hex}").parse().unwrap();
        assert_eq!((head.0.position, head.0.hash[0], head.0.hash[31]), (12, 0, 255));
        assert_eq!(head.to_string(), format!("12:{hex}"));
        for wrong in ["", "12", "12:", &hex, &format!("-1:{hex}"), &format!("1:{hex}0"), &format!("1:+f{}", &hex[2..])]
        {
            assert!(wrong.parse::<KeptHead>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn times_are_those_of_rfc_3339() {
        let parse = |line: &str| Cli::try_parse_from(line.split_whitespace());
        let line = "keystead audit export --data-dir d --from 1970-01-01T00:00:01.5Z --until 1970-01-01T02:00:00+01:00";
        let Command::Audit(AuditCommand::Export(export)) = parse(line).unwrap().command else { panic!("not export") };
        assert_eq!(export.from, Some(Timestamp::from_micros(1_500_000)));
        assert_eq!(export.until, Some(Timestamp::from_seconds(3600)));
        let wrong = parse("keystead audit export --data-dir d --from yesterday").map(|_| ()).unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::ValueValidation);
    }
}
