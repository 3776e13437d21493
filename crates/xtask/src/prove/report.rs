//! What was found.

use std::fmt;

/// One promise and what the run saw.
struct Finding {
    guarantee: &'static str,
    promise: String,
    seen: String,
    /// `None` = reported only.
    holds: Option<bool>,
}

/// All findings, as Markdown.
#[derive(Default)]
pub(super) struct Report(Vec<Finding>);

impl Report {
    /// Adds a finding and shows it at once, because a run takes minutes.
    pub(super) fn add(&mut self, guarantee: &'static str, promise: &str, seen: impl Into<String>, holds: bool) {
        self.push(Finding { guarantee, promise: promise.into(), seen: seen.into(), holds: Some(holds) });
    }

    /// Adds a figure without a verdict.
    pub(super) fn note(&mut self, guarantee: &'static str, promise: &str, seen: impl Into<String>) {
        self.push(Finding { guarantee, promise: promise.into(), seen: seen.into(), holds: None });
    }

    /// Whether every promise held, and there was one.
    pub(super) fn holds(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|finding| finding.holds != Some(false))
    }

    fn push(&mut self, finding: Finding) {
        println!("{finding}");
        self.0.push(finding);
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holds = match self.holds {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "–",
        };
        write!(f, "| {} | {} | {} | {holds} |", self.guarantee, self.promise, self.seen)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| id | promise | seen | holds |")?;
        writeln!(f, "|---|---|---|---|")?;
        self.0.iter().try_for_each(|finding| writeln!(f, "{finding}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_broken_promise_fails_the_report() {
        let mut report = Report::default();
        assert!(!report.holds());
        report.add("G02", "one winner", "64 of 64", true);
        report.note("G14", "p99", "2 ms");
        assert!(report.holds());
        report.add("G13", "0 lost", "1 lost", false);
        assert!(!report.holds());
        assert!(report.to_string().ends_with("| G13 | 0 lost | 1 lost | NO |\n"), "{report}");
    }
}
