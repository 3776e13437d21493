//! The load generator: wrk when it is there or can be installed, else oha built into `target/tools`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::load::Measured;
use super::wrk;
use crate::{Outcome, sample, setup, shell};

/// A program that sends one request over and over on many connections.
pub(super) enum Generator {
    /// <https://github.com/wg/wrk>; can also rotate over many tokens.
    Wrk,
    /// <https://github.com/hatoo/oha>, at this path.
    Oha(PathBuf),
}

/// A POST without a body, sent over and over.
pub(super) struct Post<'a> {
    pub(super) url: String,
    pub(super) headers: &'a [(&'static str, String)],
    pub(super) connections: usize,
    pub(super) seconds: u64,
}

impl Generator {
    /// For the heading of the table.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Wrk => "wrk",
            Self::Oha(_) => "oha",
        }
    }

    /// Sends the request for so long. Returns the sample and the number of answers of any status.
    pub(super) fn run(&self, post: &Post<'_>) -> Outcome<(Measured, u64)> {
        match self {
            Self::Wrk => wrk::run(post, None),
            Self::Oha(path) => oha(path, post),
        }
    }
}

/// Finds a generator, or installs one.
pub(super) fn find_or_install(root: &Path, target: &Path) -> Outcome<Generator> {
    if shell::on_path("wrk") || (setup::install(&["wrk"]).is_ok() && shell::on_path("wrk")) {
        return Ok(Generator::Wrk);
    }
    let tools = target.join("tools");
    let oha = tools.join("bin/oha");
    if !oha.is_file() {
        println!("no wrk and no right to install it: building oha into {}", tools.display());
        shell::run(
            shell::cargo(root).args(["install", "oha", "--version", "1.16.0", "--locked", "--root"]).arg(&tools),
        )?;
    }
    Ok(Generator::Oha(oha))
}

fn oha(path: &Path, post: &Post<'_>) -> Outcome<(Measured, u64)> {
    let mut command = Command::new(path);
    command.args(["--no-tui", "--output-format", "json", "-m", "POST", "-z", &format!("{}s", post.seconds)]);
    command.args(["-c", &post.connections.to_string()]);
    for (name, value) in post.headers {
        command.args(["-H", &format!("{name}: {value}")]);
    }
    let report: Value = serde_json::from_str(&shell::read(command.arg(&post.url))?)?;
    read_oha(&report)
}

fn read_oha(report: &Value) -> Outcome<(Measured, u64)> {
    let number = |pointer: &str| {
        report.pointer(pointer).and_then(Value::as_f64).ok_or_else(|| format!("no {pointer} in the report of oha"))
    };
    let statuses = report.pointer("/statusCodeDistribution").and_then(Value::as_object).ok_or("no statuses")?;
    let (mut good, mut failed) = (0, 0);
    for (status, count) in statuses {
        *if status.starts_with('2') { &mut good } else { &mut failed } += count.as_u64().unwrap_or(0);
    }
    let measured = Measured {
        rate: sample::float(good) / number("/summary/total")?,
        p50: number("/latencyPercentiles/p50")? * 1000.0,
        p99: number("/latencyPercentiles/p99")? * 1000.0,
        cpu_micros: None,
        failed,
    };
    Ok((measured, good + failed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_with_2xx_make_the_rate_of_oha() {
        let report = serde_json::json!({
            "summary": {"total": 2.0, "successRate": 1.0, "requestsPerSec": 600.0},
            "latencyPercentiles": {"p50": 0.001, "p99": 0.004},
            "statusCodeDistribution": {"200": 1000, "503": 200}
        });
        let (measured, answers) = read_oha(&report).unwrap();
        assert_eq!((measured.rate.to_string(), measured.failed, answers), ("500".into(), 200, 1200));
        assert_eq!((measured.p50.to_string(), measured.p99.to_string()), ("1".into(), "4".into()));
    }
}
