//! The commands of the `keystead` binary.

pub mod args;
mod audit;
mod data;
mod debug;
mod dev;
mod doctor;
mod init;
mod keys;
mod logging;
mod migrate_store;
mod outcome;
mod reminders;
mod serve;
mod user_export;
mod user_import;
mod user_lines;
mod users;

use args::{Cli, Command};
use rustix::process::{Resource, Rlimit, setrlimit};

pub(crate) use keys::precise_time;
pub(crate) use logging::AUDIT_TARGET;
pub use outcome::{Outcome, Trouble};
pub use user_lines::read as read_user_line;

/// Runs a command. The result says what to print and how to exit.
pub fn run(cli: Cli) -> Outcome {
    leave_no_core();
    let json = cli.json;
    match cli.command {
        Command::Dev(args) => dev::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Init(args) => init::run(&args, json),
        Command::Check(args) => serve::check(&args, json),
        Command::Migrate(args) => data::migrate(&args, json),
        Command::MigrateStore(args) => migrate_store::run(&args, json),
        Command::User(command) => users::run(command, json),
        Command::Key(command) => keys::run(command, json),
        Command::Audit(command) => audit::run(command, json),
        Command::Reminders(command) => reminders::run(&command, json),
        Command::Openapi => {
            debug::openapi();
            Ok(())
        }
        Command::Doctor(args) => doctor::run(&args, json),
        Command::Debug(command) => debug::run(command, json),
    }
}

/// A core file would hold keys and passwords. Handlers of core files (systemd-coredump, apport) keep to the limit, too.
fn leave_no_core() {
    // Nobody may be stopped from lowering a limit.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}
