//! `keystead audit …`: what an auditor on the machine needs.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use keystead_application::audit::{AuditProblem, AuditReport};
use keystead_application::ports::{AuditRow, AuditRowId};
use keystead_domain::account::UserId;
use keystead_domain::token::SessionId;
use serde_json::{Value, json};

use super::args::{AuditCommand, AuditExportArgs, AuditVerifyArgs, KeptHead};
use super::data::with_services;
use super::keys::precise_time;
use super::outcome::{Outcome, Trouble, say};
use crate::services::Services;

/// Events read at once.
const PAGE: u32 = 1000;
/// Most events that are exported before they have their place in the chain, which takes a second where a service runs.
const MOST_UNLINKED: u32 = 100_000;

/// Runs one of them.
pub(super) fn run(command: AuditCommand, json: bool) -> Outcome {
    match command {
        AuditCommand::Verify(args) => verify(&args, json),
        AuditCommand::Export(args) => export(&args, json),
    }
}

fn verify(args: &AuditVerifyArgs, json: bool) -> Outcome {
    let kept = args.kept.map(|KeptHead(link)| link);
    let report = with_services(&args.data, async |composed| {
        composed.services.verify_audit.run(kept).await.map_err(Trouble::failed)
    })?;
    show(&report, json);
    match report.problems.len() {
        0 => Ok(()),
        1 => Err(Trouble::Found("1 problem was found in the audit log".into())),
        problems => Err(Trouble::Found(format!("{problems} problems were found in the audit log"))),
    }
}

fn show(report: &AuditReport, json: bool) {
    let AuditReport { rows, unlinked, checkpoints, head, problems } = report;
    let head = head.map(|link| KeptHead(link).to_string());
    if json {
        let problems: Vec<Value> = problems.iter().map(problem).collect();
        say(json!({
            "rows": rows, "unlinked": unlinked, "checkpoints": checkpoints, "head": head, "problems": problems,
        }));
        return;
    }
    problems.iter().for_each(say);
    say(format!("rows         {rows}"));
    say(format!("unlinked     {unlinked}"));
    say(format!("checkpoints  {checkpoints}"));
    say(format!("head         {}", head.as_deref().unwrap_or("-")));
}

fn problem(problem: &AuditProblem) -> Value {
    let message = problem.to_string();
    match problem {
        AuditProblem::Changed { id, position } => {
            json!({ "kind": "changed", "row": id, "position": position, "message": message })
        }
        AuditProblem::Unreadable { position } => {
            json!({ "kind": "unreadable", "position": position, "message": message })
        }
        AuditProblem::Unsealed { id } => json!({ "kind": "unsealed", "row": id, "message": message }),
        AuditProblem::Copied { id } => json!({ "kind": "copied", "row": id, "message": message }),
        AuditProblem::Moved { id, position } => {
            json!({ "kind": "moved", "row": id, "position": position, "message": message })
        }
        AuditProblem::Missing { from, to } => json!({ "kind": "missing", "from": from, "to": to, "message": message }),
        AuditProblem::Unsigned { from, to } => {
            json!({ "kind": "unsigned", "from": from, "to": to, "message": message })
        }
        AuditProblem::Rewritten { position } => {
            json!({ "kind": "rewritten", "position": position, "message": message })
        }
        AuditProblem::Forged { position } => json!({ "kind": "forged", "position": position, "message": message }),
    }
}

fn export(args: &AuditExportArgs, json: bool) -> Outcome {
    let Some(path) = &args.out else {
        let mut out = BufWriter::new(io::stdout().lock());
        return match write_events(args, &mut out) {
            // Whoever reads has seen enough.
            Err(Exporting::Writing(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map(|_| ()).map_err(Exporting::trouble),
        };
    };
    let named = |error: io::Error| Trouble::failed(format!("{}: {error}", path.display()));
    let file = create(path).map_err(named)?;
    let mut out = BufWriter::new(&file);
    let written = write_events(args, &mut out);
    let written = written.and_then(|events| file.sync_all().map(|()| events).map_err(Exporting::Writing));
    let events = written.map_err(|error| {
        // It was made just now, and half of it is worse than nothing.
        let _ = std::fs::remove_file(path);
        match error {
            Exporting::Writing(error) => named(error),
            reading @ Exporting::Reading(_) => reading.trouble(),
        }
    })?;
    if json {
        say(json!({ "events": events, "file": path.display().to_string() }));
    } else {
        say(format!("{events} events are in {}", path.display()));
    }
    Ok(())
}

/// A new file that its owner alone can read; an existing one is an error.
fn create(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Why an export ended early.
enum Exporting {
    Reading(Trouble),
    Writing(io::Error),
}

impl Exporting {
    fn reading(error: impl std::fmt::Display) -> Self {
        Self::Reading(Trouble::failed(error))
    }

    fn trouble(self) -> Trouble {
        match self {
            Self::Reading(trouble) => trouble,
            Self::Writing(error) => Trouble::failed(error),
        }
    }
}

impl From<Trouble> for Exporting {
    fn from(trouble: Trouble) -> Self {
        Self::Reading(trouble)
    }
}

/// Every event in the span of time, oldest first. Returns how many.
fn write_events(args: &AuditExportArgs, out: &mut impl Write) -> Result<u64, Exporting> {
    let mut written = Ok(0);
    with_services(&args.data, async |composed| {
        written = Export { services: &composed.services, args, out, events: 0, after: None, paged: HashSet::new() }
            .run()
            .await;
        Ok(())
    })?;
    written
}

struct Export<'a, W> {
    services: &'a Services,
    args: &'a AuditExportArgs,
    out: &'a mut W,
    events: u64,
    /// The position the last page ended at.
    after: Option<i64>,
    /// Events that got their place while the last ones were read.
    paged: HashSet<AuditRowId>,
}

impl<W: Write> Export<'_, W> {
    async fn run(mut self) -> Result<u64, Exporting> {
        while !self.page().await?.is_empty() {}
        // What has no place in the chain yet comes last. It may get one at any moment: then it is in another page, once.
        let mut tx = self.services.store.read().await.map_err(Exporting::reading)?;
        let unlinked = tx.audit_chain().unlinked(MOST_UNLINKED).await.map_err(Exporting::reading)?;
        drop(tx);
        loop {
            let page = self.page().await?;
            if page.is_empty() {
                break;
            }
            self.paged.extend(page);
        }
        for row in unlinked {
            if !self.paged.contains(&row.id) {
                self.write(&row)?;
            }
        }
        self.out.flush().map_err(Exporting::Writing)?;
        Ok(self.events)
    }

    /// Writes the next rows of the chain; tells which.
    async fn page(&mut self) -> Result<Vec<AuditRowId>, Exporting> {
        let rows = self.services.read_audit.export(self.after, PAGE).await.map_err(Exporting::reading)?;
        for row in &rows {
            self.write(row)?;
        }
        self.after = rows.last().and_then(|row| row.link).map(|link| link.position).or(self.after);
        Ok(rows.iter().map(|row| row.id).collect())
    }

    fn write(&mut self, row: &AuditRow) -> Result<(), Exporting> {
        let at = row.event.at;
        if self.args.from.is_some_and(|from| at < from) || self.args.until.is_some_and(|until| at >= until) {
            return Ok(());
        }
        self.events += 1;
        writeln!(self.out, "{}", line(row)).map_err(Exporting::Writing)
    }
}

/// An event with its place in the chain, as a line of an export.
fn line(row: &AuditRow) -> Value {
    let event = &row.event;
    let id = |user: Option<UserId>| user.map(|user| user.to_string());
    json!({
        "id": row.id.0,
        "position": row.link.map(|link| link.position),
        "hash": row.link.map(|link| hex(&link.hash)),
        "event": event.name.as_str(),
        "at": precise_time(event.at),
        "actor": id(event.actor),
        "impersonator": id(event.impersonator),
        "subject": id(event.subject),
        "session": event.session.as_ref().map(SessionId::as_str),
        "ip": event.device.ip.map(|ip| ip.to_string()),
        "userAgent": event.device.user_agent,
        "detail": event.detail,
    })
}

/// Bytes in lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
