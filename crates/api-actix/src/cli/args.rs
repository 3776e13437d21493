//! What can be typed after `keystead`. Definitions only; nothing here does anything.

mod audit;
mod debug;
mod reminders;
mod user_files;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use keystead_domain::account::Role;

pub use self::audit::{AuditCommand, AuditExportArgs, AuditVerifyArgs, KeptHead};
pub use self::debug::{DebugCommand, DocsArgs, DocsPage, VerifyJwsArgs};
pub use self::reminders::RemindersCommand;
pub use self::user_files::{UserExportArgs, UserImportArgs};
use crate::config::{ConfigSources, LimitsMode};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "keystead", version, about = "Self-hosted authentication service", arg_required_else_help = true)]
pub struct Cli {
    /// Print data as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Try it: a whole service in one directory, on this machine only, mail shown at /dev/mail
    #[command(after_help = "Example:\n  keystead dev --listen 127.0.0.1:0 --data-dir /tmp/try")]
    Dev(DevArgs),
    /// Run the service
    #[command(after_help = "Example:\n  keystead serve --config keystead.toml --set log.level=debug\n\n\
        Any key can also be set in the environment: KEYSTEAD_HTTP__LISTEN=0.0.0.0:8787\n\
        Exit code 78: the configuration is invalid or unsafe.")]
    Serve(ConfigArgs),
    /// Write a commented configuration with fresh secrets; never overwrites
    #[command(
        after_help = "Example:\n  keystead init --sqlite keystead.db --public-url https://id.example.com \\\n    \
        --listen 127.0.0.1:8787 --smtp smtp://user:password@mail.example.com:587 --out keystead.toml\n  \
        keystead init --postgres postgres://keystead:password@db.example.com/keystead \\\n    \
        --redis rediss://:password@redis.example.com --public-url https://id.example.com\n  \
        keystead init --compose --public-url https://id.example.com"
    )]
    Init(InitArgs),
    /// Tell everything that is wrong or unsafe in a configuration
    #[command(
        after_help = "Example:\n  keystead check --config keystead.toml\n\nExit code 78: it would not be served."
    )]
    Check(ConfigArgs),
    /// Bring the database to this version's form
    #[command(after_help = "Example:\n  keystead migrate --config keystead.toml")]
    Migrate(MigrateArgs),
    /// Carry everything from a SQLite file into an empty PostgreSQL and Redis; changes nothing in the file
    #[command(after_help = "Example:\n  keystead migrate-store --from embedded.toml --to replicas.toml --dry-run\n  \
        keystead migrate-store --from embedded.toml --to replicas.toml\n\n\
        Stop the service first, and do not start it on the file again. Both files need the same secrets.master_key.\n\
        KEYSTEAD_STORE__… in the environment is about --to.")]
    MigrateStore(MigrateStoreArgs),
    /// Accounts
    #[command(subcommand)]
    User(UserCommand),
    /// Signing and sealing keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// The audit log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Reminders to check out
    #[command(subcommand)]
    Reminders(RemindersCommand),
    /// Print the OpenAPI document
    #[command(after_help = "Example:\n  keystead openapi > openapi.json")]
    Openapi,
    /// Try everything the service needs: configuration, database, keys, mail server, certificate
    #[command(after_help = "Example:\n  keystead doctor --config keystead.toml")]
    Doctor(DataArgs),
    /// Tools for finding out what is going on
    #[command(subcommand)]
    Debug(DebugCommand),
}

/// `keystead dev`.
#[derive(Args, Clone, Debug)]
pub struct DevArgs {
    /// Loopback address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8787")]
    pub listen: SocketAddr,
    /// Where everything is kept; made when it is not there
    #[arg(long, value_name = "DIR", default_value = "./keystead-dev")]
    pub data_dir: PathBuf,
    /// Whether anything is limited
    #[arg(long, value_enum, default_value_t = LimitsMode::Default)]
    pub limits: LimitsMode,
    /// Print audit events on standard output, a line of JSON each
    #[arg(long)]
    pub audit: bool,
}

/// A configuration file and what overrides it.
#[derive(Args, Clone, Debug)]
pub struct ConfigArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Override one key; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub set: Vec<(String, String)>,
}

/// Which data a command works on: those of a configuration, or of a directory of `keystead dev`.
#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("data").required(true).args(["config", "data_dir"]))]
pub struct DataArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The directory of a `keystead dev`
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Override one key of the configuration; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value, conflicts_with = "data_dir")]
    pub set: Vec<(String, String)>,
}

/// `keystead migrate`.
#[derive(Args, Clone, Debug)]
pub struct MigrateArgs {
    /// Apply nothing behind the migration of this name
    #[arg(long, value_name = "MIGRATION")]
    pub to: Option<String>,
    /// Which data.
    #[command(flatten)]
    pub data: DataArgs,
}

/// `keystead migrate-store`.
#[derive(Args, Clone, Debug)]
pub struct MigrateStoreArgs {
    /// The configuration of the embedded service, store.url = "sqlite://…"
    #[arg(long, value_name = "FILE")]
    pub from: PathBuf,
    /// The configuration of the replicas, store.url = "postgres://…"
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// Read and check everything, write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `keystead init`.
#[derive(Args, Clone, Debug)]
pub struct InitArgs {
    /// Keep the data in this file; keystead.db unless told otherwise
    #[arg(long, value_name = "FILE")]
    pub sqlite: Option<PathBuf>,
    /// Keep the data in PostgreSQL: postgres://user:password@host/database
    #[arg(long, value_name = "URL", conflicts_with = "sqlite", requires = "redis")]
    pub postgres: Option<String>,
    /// Share sessions and limits in Redis: redis://…, rediss://…, redis+sentinel://…, redis+cluster://…
    #[arg(long, value_name = "URL", requires = "postgres")]
    pub redis: Option<String>,
    /// Write compose.yaml, nginx.conf and .env beside it, with PostgreSQL and Redis of their own unless named
    #[arg(long, conflicts_with = "sqlite")]
    pub compose: bool,
    /// What browsers will see, such as https://id.example.com
    #[arg(long, value_name = "URL")]
    pub public_url: String,
    /// Address to listen on; 127.0.0.1:8787 unless given, 0.0.0.0:8787 in containers
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Mail server: smtp://user:password@host:587 or smtps://user:password@host:465
    #[arg(long, value_name = "URL")]
    pub smtp: Option<String>,
    /// Sender of mails; no-reply@ and the public host unless given
    #[arg(long, value_name = "EMAIL")]
    pub mail_from: Option<String>,
    /// The file to write
    #[arg(long, value_name = "FILE", default_value = "keystead.toml")]
    pub out: PathBuf,
}

/// `keystead user …`.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make an account; without a password its owner gets an activation link
    #[command(
        after_help = "Examples:\n  keystead user add --config keystead.toml --email ada@example.com --role admin\n  \
        keystead user add --data-dir keystead-dev --email ada@example.com --password-stdin < password.txt"
    )]
    Add(UserAddArgs),
    /// Show accounts
    #[command(after_help = "Example:\n  keystead user list --config keystead.toml --json")]
    List(DataArgs),
    /// Set a password; ends all sessions of the account
    #[command(
        after_help = "Example:\n  keystead user passwd ada@example.com --config keystead.toml --password-stdin < password.txt"
    )]
    Passwd(UserPasswdArgs),
    /// Change what an account may do: user, admin or super-admin; at once and everywhere
    #[command(after_help = "Example:\n  keystead user role ada@example.com super-admin --config keystead.toml")]
    Role(UserRoleArgs),
    /// Lock an account out, at once and everywhere
    #[command(after_help = "Example:\n  keystead user ban ada@example.com --config keystead.toml")]
    Ban(UserWhoArgs),
    /// Let a banned account in again
    #[command(after_help = "Example:\n  keystead user unban ada@example.com --config keystead.toml")]
    Unban(UserWhoArgs),
    /// Bring users and their password hashes from another system; what is here already is left alone
    #[command(
        after_help = "Examples:\n  keystead user import users.jsonl --config keystead.toml --dry-run --report dry.jsonl\n  \
        keystead user import users.jsonl --config keystead.toml --report report.jsonl\n\n\
        A line a user: {\"email\":\"ada@example.com\",\"emailVerified\":true,\"passwordHash\":\"$2b$12$…\"}\n\
        Keys: id, email, emailVerified, phone, phoneVerified, username, fullName, locale, role, isActive,\n\
        isDeactivated, createdAt, passwordHash. Interrupted, it is run again as it was.\n\
        Exit code 1: it stopped, or a line was refused."
    )]
    Import(UserImportArgs),
    /// Write all users as lines that can be imported again
    #[command(after_help = "Examples:\n  keystead user export --config keystead.toml > users.jsonl\n  \
        keystead user export --config keystead.toml --with-password-hashes --out users.jsonl\n\n\
        Second factors and sessions are not among it.")]
    Export(UserExportArgs),
}

/// `keystead user add`.
#[derive(Args, Clone, Debug)]
pub struct UserAddArgs {
    /// Address; taken as verified
    #[arg(long, value_name = "EMAIL")]
    pub email: String,
    /// Public name to sign in with
    #[arg(long, value_name = "NAME")]
    pub username: Option<String>,
    /// Name as mails address it
    #[arg(long, value_name = "NAME")]
    pub full_name: Option<String>,
    /// user, admin or super-admin
    #[arg(long, value_name = "ROLE", default_value = "user", value_parser = role)]
    pub role: Role,
    /// Read the password from standard input, one line
    #[arg(long)]
    pub password_stdin: bool,
    /// Which data.
    #[command(flatten)]
    pub data: DataArgs,
}

/// `keystead user passwd`.
#[derive(Args, Clone, Debug)]
pub struct UserPasswdArgs {
    /// E-mail address, username or user id
    #[arg(value_name = "WHO")]
    pub who: String,
    /// Read the password from standard input, one line: on the command line other users would see it
    #[arg(long, required = true)]
    pub password_stdin: bool,
    /// Which data.
    #[command(flatten)]
    pub data: DataArgs,
}

/// `keystead user role`.
#[derive(Args, Clone, Debug)]
pub struct UserRoleArgs {
    /// E-mail address, username or user id
    #[arg(value_name = "WHO")]
    pub who: String,
    /// user, admin or super-admin
    #[arg(value_name = "ROLE", value_parser = role)]
    pub role: Role,
    /// Which data.
    #[command(flatten)]
    pub data: DataArgs,
}

/// `keystead user ban`, `keystead user unban`.
#[derive(Args, Clone, Debug)]
pub struct UserWhoArgs {
    /// E-mail address, username or user id
    #[arg(value_name = "WHO")]
    pub who: String,
    /// Which data.
    #[command(flatten)]
    pub data: DataArgs,
}

/// `keystead key …`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Show keys: what for, since when, until when; never the keys themselves
    #[command(after_help = "Example:\n  keystead key list --config keystead.toml --json")]
    List(DataArgs),
    /// Make a new key; it is published at once, serves a minute later, and the old one stays as long as its tokens live
    #[command(after_help = "Example:\n  keystead key rotate --use access --config keystead.toml")]
    Rotate(KeyRotateArgs),
    /// Seal authenticator secrets and SRP credentials under the newest sealing key now; the service does it by itself, too
    #[command(after_help = "Example:\n  keystead key reseal --config keystead.toml")]
    Reseal(DataArgs),
}

/// `keystead key rotate`.
#[derive(Args, Clone, Debug)]
pub struct KeyRotateArgs {
    /// Which key
    #[arg(long = "use", value_enum, value_name = "USE", default_value_t = RotatedKey::Access)]
    pub key_use: RotatedKey,
    /// Which data.
    #[command(flatten)]
    pub data: DataArgs,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RotatedKey {
    /// Access tokens
    Access,
    /// Pre-authorized tokens
    PreAuthorized,
    /// Step-up proofs
    StepUp,
    /// Refresh tokens, codes and all other keyed hashes
    Mac,
    /// Secrets of authenticator programs, SRP credentials; the service seals them again by itself within minutes
    Seal,
    /// Seals of audit events and signatures of checkpoints; older keys stay as long as the events
    Audit,
    /// All of them
    All,
}

impl ConfigArgs {
    /// Where to look for settings, in `env` too.
    pub fn sources(&self, env: Vec<(String, String)>) -> ConfigSources {
        ConfigSources { file: Some(self.config.clone()), env, flags: self.set.clone() }
    }
}

impl DataArgs {
    /// The configuration file and what overrides it; `None` when a data directory was named instead.
    pub fn config(&self) -> Option<ConfigArgs> {
        self.config.as_ref().map(|config| ConfigArgs { config: config.clone(), set: self.set.clone() })
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    // The text is not repeated: it may be a secret.
    let parts = text.split_once('=').filter(|(key, _)| !key.trim().is_empty());
    let (key, value) = parts.ok_or("write KEY=VALUE, such as http.listen=127.0.0.1:8787")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    fn refusal(line: &str) -> ErrorKind {
        parse(line).map(|cli| format!("{cli:?}")).unwrap_err().kind()
    }

    #[test]
    fn the_definitions_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn dev_needs_nothing() {
        let Command::Dev(dev) = parse("keystead dev").unwrap().command else { panic!("not dev") };
        assert_eq!((dev.listen.to_string().as_str(), dev.limits), ("127.0.0.1:8787", LimitsMode::Default));
        assert_eq!(dev.data_dir, PathBuf::from("./keystead-dev"));
        let Command::Dev(dev) = parse("keystead dev --limits off --listen [::1]:0").unwrap().command else {
            panic!("not dev")
        };
        assert_eq!((dev.listen.port(), dev.limits), (0, LimitsMode::Off));
    }

    #[test]
    fn overrides_keep_their_order_and_their_equals_signs() {
        let line = "keystead serve --config k.toml --set log.level=a=b --set http.listen=[::]:80";
        let Command::Serve(args) = parse(line).unwrap().command else { panic!("not serve") };
        let sources = args.sources(Vec::new());
        assert_eq!(sources.file, Some(PathBuf::from("k.toml")));
        let expected = [("log.level", "a=b"), ("http.listen", "[::]:80")];
        assert_eq!(sources.flags, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert_eq!(refusal("keystead serve --config k.toml --set listen"), ErrorKind::ValueValidation);
        assert_eq!(refusal("keystead serve"), ErrorKind::MissingRequiredArgument);
    }

    #[test]
    fn data_commands_take_exactly_one_place() {
        for command in [
            "migrate",
            "doctor",
            "user list",
            "user role ada admin",
            "user ban ada",
            "user unban ada",
            "user import -",
            "user export",
            "key list",
            "key rotate",
            "audit verify",
            "audit export",
        ] {
            assert!(parse(&format!("keystead {command} --config k.toml --set log.level=warn")).is_ok(), "{command}");
            assert!(parse(&format!("keystead {command} --data-dir d --json")).is_ok(), "{command}");
            let neither = refusal(&format!("keystead {command}"));
            assert_eq!(neither, ErrorKind::MissingRequiredArgument, "{command}");
            let both = refusal(&format!("keystead {command} --config k.toml --data-dir d"));
            assert_eq!(both, ErrorKind::ArgumentConflict, "{command}");
        }
    }

    #[test]
    fn passwords_come_from_standard_input_only() {
        assert_eq!(refusal("keystead user passwd ada --data-dir d"), ErrorKind::MissingRequiredArgument);
        assert!(parse("keystead user passwd ada --data-dir d --password-stdin").is_ok());
        let line = "keystead user add --data-dir d --email ada@example.com --role super-admin";
        let Command::User(UserCommand::Add(add)) = parse(line).unwrap().command else { panic!("not user add") };
        assert_eq!((add.role, add.password_stdin), (Role::SuperAdmin, false));
        assert_eq!(refusal("keystead user add --data-dir d --email a --role root"), ErrorKind::ValueValidation);
    }

    #[test]
    fn every_command_that_does_something_shows_an_example() {
        fn walk(command: &clap::Command) {
            if command.has_subcommands() {
                command.get_subcommands().filter(|sub| sub.get_name() != "help").for_each(walk);
            } else {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains(&format!("{} ", command.get_name())), "{}: {help:?}", command.get_name());
            }
        }
        walk(&Cli::command());
    }
}
