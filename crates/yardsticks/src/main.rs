//! What `cargo xtask bench` holds the service against, and what it fills and asks stores with. One program, so that one
//! release build serves them all:
//!
//! * `yardsticks serve PATH HEAD-FILE BODY-FILE WORKERS`: a bare actix-web server; prints where it listens.
//! * `yardsticks raw-argon2 THREADS SECONDS`: prints hashes a second.
//! * `yardsticks fill CONFIG FROM TO LIKE`: writes users number FROM + 1 to TO, with all that belongs to a user, into the
//!   stores of a configuration; their password is that of the user with the address LIKE.
//! * `yardsticks probe SAMPLES CONFIG USERS…`: asks stores so filled; prints one line of JSON per operation and size.
//! * `yardsticks audit FOLDER SAMPLES`: prints what a login costs, and an audit event and its link in the chain.
//! * `yardsticks backlog CONFIG`: makes every device of a filled store lapse and tidies up; prints one line of JSON.

mod audit;
mod backlog;
mod bare;
mod fill;
mod probe;
mod raw_argon2;
mod stores;

use std::time::Instant;

/// A sentence that says what went wrong.
type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// What everything here returns.
type Outcome<T = ()> = Result<T, BoxError>;

#[expect(clippy::disallowed_methods, reason = "yardsticks measure real time")]
fn now() -> Instant {
    Instant::now()
}

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve", path, head, body, workers] => bare::serve(path, head, body, workers),
        ["raw-argon2", threads, seconds] => {
            println!("{:.3}", raw_argon2::hashes_a_second(threads, seconds)?);
            Ok(())
        }
        ["fill", config, from, to, like] => fill::run(config, from.parse()?, to.parse()?, like),
        ["probe", samples, stores @ ..] => probe::run(samples.parse()?, stores),
        ["audit", folder, samples] => audit::run(folder, samples.parse()?),
        ["backlog", config] => backlog::run(config),
        _ => Err("usage: yardsticks serve | raw-argon2 | fill | probe | backlog | audit, see its source".into()),
    }
}
