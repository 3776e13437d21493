//! Starts the servers tests share and prints the variables that point at them, for a shell that runs single tests often:
//! `cargo run -p keystead-test-servers`. With the argument `database` it makes one database instead, on the server of
//! `KEYSTEAD_TEST_POSTGRES_URL` or on one of its own, and prints its address. Everything ends with this program: Control-C,
//! or the end of its input.

use std::io::{Read, Write};
use std::process::ExitCode;

use keystead_test_servers::{Suite, shared};

fn main() -> ExitCode {
    let outcome = match std::env::args().nth(1).as_deref() {
        None => servers(),
        Some("database") => database(),
        Some(_) => Err("usage: keystead-test-servers [database]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn servers() -> Outcome {
    let suite = Suite::start()?;
    let lines: Vec<String> =
        suite.variables().into_iter().map(|(name, value)| format!("export {name}='{value}'")).collect();
    print_and_wait(&lines.join("\n"))
}

fn database() -> Outcome {
    print_and_wait(shared::fresh_database().url())
}

fn print_and_wait(text: &str) -> Outcome {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{text}")?;
    stdout.flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
