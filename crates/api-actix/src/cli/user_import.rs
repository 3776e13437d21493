//! `keystead user import`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;

use keystead_application::operation::{
    ForeignUser, Held, ImportError, ImportOutcome, ImportPolicy, ImportRefusal, UserImport,
};
use keystead_domain::account::{ContactKind, Role};
use serde_json::{Value, json};

use super::args::UserImportArgs;
use super::data::with_services;
use super::outcome::{Outcome, Trouble, say};
use super::user_export::new_private_file;
use super::user_lines;
use crate::compose::password_import;

/// The longest line that is read, in bytes, without its end.
const MAX_LINE: usize = 64 * 1024;

/// Imports a file.
pub(super) fn run(args: &UserImportArgs, json: bool) -> Outcome {
    let input: Box<dyn BufRead> = if args.file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(&args.file).map_err(|error| named(&args.file, &error))?))
    };
    let report = args.report.as_deref().map(Report::create).transpose()?;
    let policy = ImportPolicy {
        dry_run: args.dry_run,
        assume_verified: args.assume_verified,
        allow_weak_hashes: args.allow_salted_sha,
        allow_roles: args.allow_roles,
    };
    with_services(&args.data, async |composed| {
        let services = &composed.services;
        let (store, clock, entropy) = (services.store.clone(), services.clock.clone(), services.entropy.clone());
        let import = UserImport::new(store, password_import(), clock, entropy, policy);
        let mut run = ImportRun { import, report, counts: Counts::default(), dry_run: policy.dry_run };
        let result = run.all(Lines { input, number: 0 }, args.batch.into()).await;
        run.finish(result, json)
    })
}

fn named(path: &Path, error: &io::Error) -> Trouble {
    Trouble::failed(format!("{}: {error}", path.display()))
}

/// The number of a line, and the user on it or what is wrong with it.
type Entry = (u64, Result<ForeignUser, String>);

/// What became of the lines so far.
#[derive(Debug, Default)]
struct Counts {
    imported: u64,
    /// Those of them whose role is above `user`.
    administrators: u64,
    exists: u64,
    refused: u64,
}

/// One import under way.
struct ImportRun {
    import: UserImport,
    report: Option<Report>,
    counts: Counts,
    dry_run: bool,
}

impl ImportRun {
    /// Reads and imports to the end, so many lines at a time.
    async fn all(&mut self, mut lines: Lines, batch: usize) -> Result<(), Trouble> {
        loop {
            let mut entries = Vec::with_capacity(batch);
            while entries.len() < batch
                && let Some(entry) = lines.read().map_err(|error| Trouble::failed(format!("reading: {error}")))?
            {
                entries.push(entry);
            }
            let (Some((first, _)), Some((last, _))) = (entries.first(), entries.last()) else { return Ok(()) };
            let span = (*first, *last);
            self.batch(entries, span).await?;
        }
    }

    async fn batch(&mut self, entries: Vec<Entry>, span: (u64, u64)) -> Result<(), Trouble> {
        let mut users = Vec::with_capacity(entries.len());
        let mut told = Vec::with_capacity(entries.len());
        for (line, entry) in entries {
            told.push((line, entry.map(|user| users.push(user)).err()));
        }
        let outcomes = self.import.run(users).await.map_err(|error| stopped(&error, span))?;
        let mut outcomes = outcomes.into_iter();
        for (line, unread) in told {
            if let Some(reason) = unread {
                self.tell(line, &Told::refused(&reason))?;
            } else if let Some(outcome) = outcomes.next() {
                self.tell(line, &Told::from(outcome))?;
            }
        }
        if let Some(report) = &mut self.report {
            report.flush()?;
        }
        Ok(())
    }

    /// Counts a line and writes it down.
    fn tell(&mut self, line: u64, told: &Told) -> Result<(), Trouble> {
        match told.outcome {
            "imported" => self.counts.imported += 1,
            "exists" => self.counts.exists += 1,
            _ => self.counts.refused += 1,
        }
        self.counts.administrators += u64::from(told.is_administrator);
        if let Some(report) = &mut self.report {
            return report.write(line, told);
        }
        if told.outcome == "refused" || (told.outcome == "imported" && told.reason.is_some()) {
            let reason = told.reason.as_deref().unwrap_or_default().escape_debug().to_string();
            eprintln!("line {line}: {}: {reason}", told.outcome);
        }
        Ok(())
    }

    /// Says what became of all lines that are known about.
    fn finish(self, result: Result<(), Trouble>, json: bool) -> Outcome {
        let Counts { imported, administrators, exists, refused } = self.counts;
        if json {
            let done = result.is_ok();
            say(json!({
                "imported": imported, "administrators": administrators, "exists": exists, "refused": refused,
                "dryRun": self.dry_run, "complete": done,
            }));
        } else {
            let verb = if self.dry_run { "would be imported" } else { "imported" };
            say(format!(
                "{imported} {verb} ({administrators} with a role above user), {exists} there already, {refused} refused"
            ));
            if self.dry_run {
                say("nothing was written");
            }
        }
        result?;
        match refused {
            0 => Ok(()),
            1 => Err(Trouble::failed("1 line was refused")),
            _ => Err(Trouble::failed(format!("{refused} lines were refused"))),
        }
    }
}

fn stopped(error: &ImportError, (first, last): (u64, u64)) -> Trouble {
    let known = match error {
        ImportError::Unconfirmed(_) => "may have been imported or not",
        ImportError::Failure(_) => "were not imported",
    };
    Trouble::failed(format!(
        "{error}\nlines {first} to {last} {known}; run it again: what is there already is left alone"
    ))
}

/// What is said of a line.
struct Told {
    outcome: &'static str,
    id: Option<String>,
    /// It is of one who was imported with a role above `user`.
    is_administrator: bool,
    reason: Option<String>,
}

impl Told {
    fn refused(reason: &str) -> Self {
        Self { outcome: "refused", id: None, is_administrator: false, reason: Some(reason.to_owned()) }
    }
}

impl From<ImportOutcome> for Told {
    fn from(outcome: ImportOutcome) -> Self {
        match outcome {
            ImportOutcome::Imported { id, role, left_out } => Self {
                outcome: "imported",
                id: Some(id.to_string()),
                is_administrator: role != Role::User,
                reason: left_out.map(|kind| format!("without its {}, which was never verified", word(kind))),
            },
            ImportOutcome::Exists(held) => {
                let what = match held {
                    Held::Id => "identifier",
                    Held::Contact(kind) => word(kind),
                };
                let reason = format!("there is an account with this {what}");
                Self { outcome: "exists", id: None, is_administrator: false, reason: Some(reason) }
            }
            ImportOutcome::Refused(refusal @ ImportRefusal::WeakHash) => {
                Self::refused(&format!("{refusal} with --allow-salted-sha"))
            }
            ImportOutcome::Refused(refusal @ ImportRefusal::NoVerifiedContact) => {
                Self::refused(&format!("{refusal} (emailVerified, phoneVerified)"))
            }
            ImportOutcome::Refused(ImportRefusal::RoleNotAllowed) => Self::refused("role: needs --allow-roles"),
            ImportOutcome::Refused(refusal) => Self::refused(&refusal.to_string()),
        }
    }
}

const fn word(kind: ContactKind) -> &'static str {
    match kind {
        ContactKind::Email => "e-mail address",
        ContactKind::Phone => "phone number",
    }
}

/// The lines of the input, one at a time, however long they are.
struct Lines {
    input: Box<dyn BufRead>,
    number: u64,
}

impl Lines {
    /// The next line that is not blank.
    fn read(&mut self) -> io::Result<Option<Entry>> {
        loop {
            let mut line = Vec::new();
            // Its end, and one byte that shows that it is too long.
            let limit = u64::try_from(MAX_LINE).unwrap_or(u64::MAX).saturating_add(2);
            if (&mut self.input).take(limit).read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            let ended = line.last() == Some(&b'\n');
            while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
                line.pop();
            }
            if line.len() > MAX_LINE {
                if !ended {
                    self.skip_line()?;
                }
                return Ok(Some((self.number, Err(format!("longer than {MAX_LINE} bytes")))));
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some((self.number, user_lines::read(&line))));
            }
        }
    }

    /// Passes over the rest of a line without keeping it.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                return Ok(());
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(buffer.len(), |end| end + 1);
            self.input.consume(length);
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

/// The file with a line for each line.
struct Report {
    file: BufWriter<File>,
    name: String,
}

impl Report {
    fn create(path: &Path) -> Result<Self, Trouble> {
        let file = new_private_file(path).map_err(|error| named(path, &error))?;
        Ok(Self { file: BufWriter::new(file), name: path.display().to_string() })
    }

    fn write(&mut self, line: u64, told: &Told) -> Result<(), Trouble> {
        let mut entry = json!({ "line": line, "outcome": told.outcome });
        if let Value::Object(entry) = &mut entry {
            entry.extend(told.id.as_ref().map(|id| ("id".to_owned(), json!(id))));
            entry.extend(told.reason.as_ref().map(|reason| ("reason".to_owned(), json!(reason))));
        }
        writeln!(self.file, "{entry}").map_err(|error| self.failed(&error))
    }

    fn flush(&mut self) -> Result<(), Trouble> {
        self.file.flush().map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &io::Error) -> Trouble {
        Trouble::failed(format!("{}: {error}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of lines, and what is wrong with each, if anything.
    fn lines(input: &[u8]) -> Vec<(u64, Option<String>)> {
        let mut lines = Lines { input: Box::new(io::Cursor::new(input.to_vec())), number: 0 };
        std::iter::from_fn(|| lines.read().unwrap()).map(|(number, line)| (number, line.err())).collect()
    }

    #[test]
    fn lines_end_in_every_usual_way_and_keep_their_numbers() {
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"\n \r\n{}\r\n\n{}"), [(3, None), (5, None)]);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let of = |length: usize| format!("{{{}}}", " ".repeat(length - 2));
        let too_long = Some(format!("longer than {MAX_LINE} bytes"));
        for end in ["\n", "\r\n"] {
            let input = [of(MAX_LINE), of(MAX_LINE + 1), of(10 * MAX_LINE), of(2), of(MAX_LINE + 1)].join(end);
            let expected = [(1, None), (2, too_long.clone()), (3, too_long.clone()), (4, None), (5, too_long.clone())];
            assert_eq!(lines(input.as_bytes()), expected, "{end:?}");
        }
    }
}
