use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;

use super::seal::{genesis, is_sealed, is_signed, link_after};
use crate::failure::Failure;
use crate::ports::{AuditRow, AuditRowId, ChainLink, Checkpoint, CheckpointKind, KeyedHash, Store, StoreError};

/// Rows that are looked at together.
const PAGE: u32 = 1000;
/// Most problems that are told: after that many it does not matter any more which.
const MOST_PROBLEMS: usize = 1000;

/// Something in the audit log that Keystead did not do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AuditProblem {
    /// The row is not what was written: a field or its seal was changed.
    #[error("row {id} (position {position}) was changed")]
    Changed {
        /// The row.
        id: i64,
        /// Its place in the chain.
        position: i64,
    },
    /// The row holds something that no event has.
    #[error("the row at position {position} cannot be read")]
    Unreadable {
        /// Its place in the chain.
        position: i64,
    },
    /// The row carries no seal, though rows before it do: another hand added it, or a version of Keystead that made none.
    #[error("row {id} was not written by this service")]
    Unsealed {
        /// The row.
        id: i64,
    },
    /// The row is what was written, but not where: it was moved, or its link was changed.
    #[error("row {id} (position {position}) does not follow the one before it")]
    Moved {
        /// The row.
        id: i64,
        /// Its place in the chain.
        position: i64,
    },
    /// Rows are gone.
    #[error("{}", gap(*.from, *.to))]
    Missing {
        /// The first position without a row.
        from: i64,
        /// The last.
        to: i64,
    },
    /// The chain is not what it was when a checkpoint was signed: it was made anew.
    #[error("the chain is not what was signed at position {position}")]
    Rewritten {
        /// Where.
        position: i64,
    },
    /// This service did not sign a checkpoint.
    #[error("the checkpoint at position {position} was not signed by this service")]
    Forged {
        /// Where.
        position: i64,
    },
}

fn gap(from: i64, to: i64) -> String {
    if from == to { format!("the row at position {from} is gone") } else { format!("rows {from} to {to} are gone") }
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// Linked rows.
    pub rows: u64,
    /// Rows that wait to be linked.
    pub unlinked: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Where the chain ends. Keep it elsewhere: whoever deletes the end of the log with its checkpoints cannot make a later
    /// log contain it.
    pub head: Option<ChainLink>,
    /// What is wrong; at most a thousand.
    pub problems: Vec<AuditProblem>,
}

/// Checks the whole audit log. It only reads, a page at a time, and may run beside the service.
pub struct VerifyAudit {
    store: Arc<dyn Store>,
    hash: Arc<dyn KeyedHash>,
}

/// What is known while the rows are walked through.
struct Walk {
    /// The link before; `None` when a row is missing there.
    last: Option<ChainLink>,
    position: i64,
    sealed: bool,
    /// Hashes that must be found, by position.
    expected: BTreeMap<i64, Vec<[u8; 32]>>,
    report: AuditReport,
}

impl Walk {
    /// A row that cannot be read.
    fn pass_over(&mut self) {
        self.position += 1;
        self.last = None;
        self.report.rows += 1;
        self.report.problems.push(AuditProblem::Unreadable { position: self.position });
    }
}

impl VerifyAudit {
    /// The use-case with its dependencies.
    pub fn new(store: Arc<dyn Store>, hash: Arc<dyn KeyedHash>) -> Self {
        Self { store, hash }
    }

    /// Runs it. `kept` is a head that was kept elsewhere.
    pub async fn run(&self, kept: Option<ChainLink>) -> Result<AuditReport, Failure> {
        let mut walk = self.begin(kept).await?;
        let mut size = PAGE;
        loop {
            match self.store.read().await?.audit_chain().page(walk.position, size).await {
                Ok(rows) if rows.is_empty() => break,
                Ok(rows) => rows.iter().for_each(|row| self.check(&mut walk, row)),
                // A row that cannot even be read: found by reading one at a time.
                Err(StoreError::Corrupt(_)) if size > 1 => {
                    size = 1;
                    continue;
                }
                Err(StoreError::Corrupt(_)) => walk.pass_over(),
                Err(other) => return Err(other.into()),
            }
            size = PAGE;
        }
        let head = walk.last;
        if let Some((&signed, _)) = walk.expected.last_key_value()
            && signed > walk.position
        {
            walk.report.problems.push(AuditProblem::Missing { from: walk.position + 1, to: signed });
        }
        let unlinked = self.store.read().await?.audit_chain().unlinked(PAGE).await?;
        for row in &unlinked {
            self.check_seal(&mut walk, row, 0);
        }
        let mut report = walk.report;
        report.unlinked = unlinked.len() as u64;
        report.head = head;
        report.problems.truncate(MOST_PROBLEMS);
        Ok(report)
    }

    async fn begin(&self, kept: Option<ChainLink>) -> Result<Walk, Failure> {
        let checkpoints = self.store.read().await?.audit_chain().checkpoints().await?;
        let mut report = AuditReport { checkpoints: checkpoints.len() as u64, ..AuditReport::default() };
        let (signed, forged): (Vec<Checkpoint>, Vec<Checkpoint>) =
            checkpoints.into_iter().partition(|checkpoint| is_signed(&*self.hash, checkpoint));
        let forged = forged.into_iter().map(|checkpoint| AuditProblem::Forged { position: checkpoint.link.position });
        report.problems.extend(forged);
        let floor = signed.iter().filter(|checkpoint| checkpoint.kind == CheckpointKind::Floor).map(|floor| floor.link);
        let start = floor.max_by_key(|link| link.position).unwrap_or_else(|| genesis(&*self.hash));
        let mut expected: BTreeMap<i64, Vec<[u8; 32]>> = BTreeMap::new();
        let heads = signed.iter().filter(|checkpoint| checkpoint.kind == CheckpointKind::Head).map(|head| head.link);
        for link in heads.chain(kept).filter(|link| link.position > start.position) {
            expected.entry(link.position).or_default().push(link.hash);
        }
        Ok(Walk { last: Some(start), position: start.position, sealed: false, expected, report })
    }

    fn check(&self, walk: &mut Walk, row: &AuditRow) {
        let Some(link) = row.link else { return };
        walk.report.rows += 1;
        if link.position > walk.position + 1 {
            walk.report.problems.push(AuditProblem::Missing { from: walk.position + 1, to: link.position - 1 });
            walk.last = None;
        }
        let intact = self.check_seal(walk, row, link.position);
        let follows = walk.last.is_none_or(|last| link_after(&*self.hash, last, row) == link);
        if intact && !follows {
            walk.report.problems.push(AuditProblem::Moved { id: row.id.0, position: link.position });
        }
        let signed = walk.expected.get(&link.position).into_iter().flatten();
        if signed.into_iter().any(|hash| *hash != link.hash) {
            walk.report.problems.push(AuditProblem::Rewritten { position: link.position });
        }
        walk.last = Some(link);
        walk.position = link.position;
    }

    /// Whether the event is what was written; says so if not.
    fn check_seal(&self, walk: &mut Walk, row: &AuditRow, position: i64) -> bool {
        let AuditRow { id: AuditRowId(id), .. } = *row;
        let problem = match &row.seal {
            // Rows from before the log was sealed.
            None if !walk.sealed => return true,
            None => AuditProblem::Unsealed { id },
            Some(_) if is_sealed(&*self.hash, row) => {
                walk.sealed = true;
                return true;
            }
            Some(_) => AuditProblem::Changed { id, position },
        };
        walk.report.problems.push(problem);
        false
    }
}
