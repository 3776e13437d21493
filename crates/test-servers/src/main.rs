//! Starts the servers tests share and prints the variables that point at them, for a shell that runs single tests often:
//! `cargo run -p keystead-test-servers`. They end with this program: Control-C, or the end of its input.

use std::io::{Read, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    match hold() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn hold() -> Result<(), Box<dyn std::error::Error>> {
    let suite = keystead_test_servers::Suite::start()?;
    let mut stdout = std::io::stdout();
    for (name, value) in suite.variables() {
        writeln!(stdout, "export {name}='{value}'")?;
    }
    stdout.flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
