//! The table a run prints.

use std::fmt;

use super::load::Measured;

/// One line: a figure, what it is held against, and the ratio.
pub(super) struct Row {
    pub(super) case: String,
    /// What Keystead did.
    pub(super) keystead: String,
    /// What it is compared with, in the same run.
    pub(super) beside: String,
    pub(super) ratio: Option<f64>,
    /// What the ratio or figure is meant to be.
    pub(super) target: String,
    /// Whether it is.
    pub(super) met: Option<bool>,
}

/// Markdown.
#[derive(Default)]
pub(super) struct Table(Vec<Row>);

impl Table {
    /// Adds a line and shows it at once, because a run takes minutes.
    pub(super) fn add(&mut self, row: Row) {
        println!("{row}");
        self.0.push(row);
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratio = self.ratio.map_or_else(|| "–".into(), |ratio| format!("{ratio:.2}"));
        let met = match self.met {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "–",
        };
        write!(f, "| {} | {} | {} | {ratio} | {} | {met} |", self.case, self.keystead, self.beside, self.target)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| case | keystead | beside it | ratio | target | met |")?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        self.0.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}

/// The figures of one kind of load, for a cell.
pub(super) fn cell(measured: &Measured) -> String {
    let failed = if measured.failed > 0 { format!(", {} not 2xx", measured.failed) } else { String::new() };
    let (rate, p50, p99) = (measured.rate, measured.p50, measured.p99);
    let cpu = measured.cpu_micros.map_or_else(String::new, |cpu| format!(", {cpu:.0} CPU µs each"));
    format!("{rate:.0}/s, p50 {p50:.2} ms, p99 {p99:.2} ms{cpu}{failed}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_markdown_and_failures_show() {
        let measured = Measured { rate: 1234.4, p50: 0.5, p99: 2.0, cpu_micros: Some(11.6), failed: 3 };
        let mut table = Table::default();
        table.add(Row {
            case: "verify".into(),
            keystead: cell(&measured),
            beside: "bare".into(),
            ratio: Some(0.714),
            target: ">= 0.7".into(),
            met: Some(true),
        });
        let text = table.to_string();
        let last = text.lines().last().unwrap();
        assert_eq!(
            last,
            "| verify | 1234/s, p50 0.50 ms, p99 2.00 ms, 12 CPU µs each, 3 not 2xx | bare | 0.71 | >= 0.7 | yes |"
        );
        assert!(text.lines().all(|line| line.matches('|').count() == 7), "{text}");
    }
}
