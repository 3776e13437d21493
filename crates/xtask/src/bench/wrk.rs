//! wrk, driven by a script written for each run.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::load::Measured;
use super::tools::Post;
use crate::{Outcome, sample, shell};

/// Prints what wrk counted as one line of JSON; latencies in microseconds.
const REPORT: &str = r#"
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\nREPORT {"requests":%d,"micros":%d,"status":%d,"lost":%d,"p50":%d,"p99":%d}\n',
    summary.requests, summary.duration, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50.0), latency:percentile(99.0)))
end
"#;

/// Reads one token a line and sends each in turn.
const ROTATE: &str = r"
function init(args)
  requests = {}
  for token in io.lines(TOKENS) do
    wrk.headers['Authorization'] = 'Bearer ' .. token
    requests[#requests + 1] = wrk.format()
  end
  at = 0
end
function request()
  at = at % #requests + 1
  return requests[at]
end
";

/// Runs wrk. With `tokens` (a file, one a line) every request takes the next one.
pub(super) fn run(post: &Post<'_>, tokens: Option<&Path>) -> Outcome<(Measured, u64)> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("load.lua");
    std::fs::write(&file, script(post, tokens))?;
    // wrk starts a thread before it sets up the next one, and its clock after the last: with many tokens to read, what
    // the first thread does meanwhile would be counted and its time would not.
    let threads = if tokens.is_some() { 1 } else { crate::bench::available_cores().min(2) };
    let mut command = Command::new("wrk");
    command.args(["-t", &threads.to_string(), "-c", &post.connections.to_string()]);
    command.args(["-d", &format!("{}s", post.seconds), "-s"]).arg(&file).arg(&post.url);
    read_report(&shell::read(&mut command)?)
}

fn script(post: &Post<'_>, tokens: Option<&Path>) -> String {
    let mut text = String::from("wrk.method = 'POST'\n");
    for (name, value) in post.headers {
        text.extend(["wrk.headers[", &quoted(name), "] = ", &quoted(value), "\n"]);
    }
    if let Some(tokens) = tokens {
        text.extend(["local TOKENS = ", &quoted(&tokens.to_string_lossy()), "\n", ROTATE]);
    }
    text.push_str(REPORT);
    text
}

/// A Lua string.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace(['\r', '\n'], " "))
}

fn read_report(printed: &str) -> Outcome<(Measured, u64)> {
    let line = printed.lines().find_map(|line| line.strip_prefix("REPORT ")).ok_or("wrk printed no report")?;
    let report: Value = serde_json::from_str(line)?;
    let count = |field: &str| {
        report.get(field).and_then(Value::as_u64).ok_or_else(|| format!("no {field} in the report of wrk"))
    };
    let (answers, wrong) = (count("requests")?, count("status")?);
    let measured = Measured {
        rate: sample::float(answers.saturating_sub(wrong)) * 1e6 / sample::float(count("micros")?.max(1)),
        p50: sample::float(count("p50")?) / 1000.0,
        p99: sample::float(count("p99")?) / 1000.0,
        cpu_micros: None,
        failed: wrong + count("lost")?,
    };
    Ok((measured, answers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_another_status_are_not_counted() {
        let printed = "Running 1s test\n\nREPORT {\"requests\":5000,\"micros\":2000000,\"status\":1000,\"lost\":2,\"p50\":150,\"p99\":4200}\n";
        let (measured, answers) = read_report(printed).unwrap();
        assert_eq!((measured.rate.to_string(), measured.failed, answers), ("2000".into(), 1002, 5000));
        assert_eq!((measured.p50.to_string(), measured.p99.to_string()), ("0.15".into(), "4.2".into()));
        assert!(read_report("unable to connect").is_err());
    }

    #[test]
    fn values_cannot_leave_their_quotes() {
        assert_eq!(quoted("a'b\\c\nd"), "'a\\'b\\\\c d'");
    }
}
