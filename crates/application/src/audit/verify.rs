use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use keystead_domain::Timestamp;
use thiserror::Error;

use super::seal::{Nonce, genesis, is_signed, link_after, sealed_with};
use crate::failure::Failure;
use crate::ports::{AuditRow, AuditRowId, ChainLink, Checkpoint, CheckpointKind, KeyedHash, Store, StoreError};

/// Rows that are looked at together.
const PAGE: u32 = 1000;
/// Rows without a link that are looked at: many times more than wait in a second.
const UNLINKED: u32 = 100_000;
/// How far the order of times may be off the order of rows: clocks of replicas differ by seconds, and are set right by more.
const DISORDER: Duration = Duration::from_secs(86_400);
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
    /// The row is a copy of another: what it says happened once.
    #[error("row {id} is a copy of another")]
    Copied {
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
    /// The chain goes on behind what was signed last, which it never does.
    #[error("{}", unsigned(*.from, *.to))]
    Unsigned {
        /// The first position.
        from: i64,
        /// The last.
        to: i64,
    },
    /// This service did not sign a checkpoint.
    #[error("the checkpoint at position {position} was not signed by this service")]
    Forged {
        /// Where.
        position: i64,
    },
}

fn unsigned(from: i64, to: i64) -> String {
    format!("rows {from} to {to} were never signed")
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
    /// Where the chain begins.
    start: ChainLink,
    /// The link before; `None` when a row is missing there.
    last: Option<ChainLink>,
    /// The position of the row before.
    position: i64,
    /// Rows after this position are read next. Begins before every position there can be.
    read: i64,
    /// Whether a row with a seal was seen.
    sealed: bool,
    /// Every seal's nonce so far: eight bytes a row.
    seen: HashSet<Nonce>,
    /// When the newest event so far happened.
    newest: Timestamp,
    /// Hashes that must be found, by position.
    expected: BTreeMap<i64, Vec<[u8; 32]>>,
    report: AuditReport,
}

impl Walk {
    /// A row that cannot be read.
    fn pass_over(&mut self) {
        self.position = self.position.saturating_add(1);
        self.read = self.position;
        self.last = None;
        self.report.rows += 1;
        self.tell(AuditProblem::Unreadable { position: self.position });
    }

    fn tell(&mut self, problem: AuditProblem) {
        if self.report.problems.len() < MOST_PROBLEMS {
            self.report.problems.push(problem);
        }
    }
}

impl VerifyAudit {
    /// The use-case with its dependencies.
    pub fn new(store: Arc<dyn Store>, hash: Arc<dyn KeyedHash>) -> Self {
        Self { store, hash }
    }

    /// Runs it. `kept` is a head that was kept elsewhere.
    pub async fn run(&self, kept: Option<ChainLink>) -> Result<AuditReport, Failure> {
        for _ in 0..3 {
            let mut walk = self.begin(kept).await?;
            self.walk(&mut walk).await?;
            let floor = self.checkpoint(CheckpointKind::Floor).await?.map_or(0, |floor| floor.link.position);
            // What the policy deleted meanwhile is not missing: begins again behind it.
            if floor == walk.start.position {
                return Ok(walk.report);
            }
        }
        Err(Failure::Unavailable("rows are being deleted by the retention policy; verify again in a minute".to_owned()))
    }

    async fn checkpoint(&self, kind: CheckpointKind) -> Result<Option<Checkpoint>, Failure> {
        let last = self.store.read().await?.audit_chain().last_checkpoint(kind).await?;
        Ok(last.filter(|checkpoint| is_signed(&*self.hash, checkpoint)))
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
        Ok(Walk {
            start,
            last: Some(start),
            position: start.position,
            read: i64::MIN,
            sealed: false,
            seen: HashSet::new(),
            newest: Timestamp::from_micros(i64::MIN),
            expected,
            report,
        })
    }

    async fn walk(&self, walk: &mut Walk) -> Result<(), Failure> {
        self.read_linked(walk).await?;
        // Rows may have been linked behind those that were read.
        let signed = self.checkpoint(CheckpointKind::Head).await?.map(|head| head.link);
        if signed.is_some_and(|signed| signed.position > walk.position) {
            self.read_linked(walk).await?;
        }
        let end = signed.filter(|signed| signed.position > walk.start.position).unwrap_or(walk.start);
        if walk.position > end.position {
            walk.tell(AuditProblem::Unsigned { from: end.position + 1, to: walk.position });
        }
        if let Some((&signed, _)) = walk.expected.last_key_value()
            && signed > walk.position
        {
            walk.tell(AuditProblem::Missing { from: walk.position + 1, to: signed });
        }
        walk.report.head = walk.last;
        let unlinked = self.store.read().await?.audit_chain().unlinked(UNLINKED).await?;
        for row in &unlinked {
            self.check_seal(walk, row, 0);
        }
        walk.report.unlinked = unlinked.len() as u64;
        Ok(())
    }

    async fn read_linked(&self, walk: &mut Walk) -> Result<(), Failure> {
        let mut size = PAGE;
        loop {
            match self.store.read().await?.audit_chain().page(walk.read, size).await {
                Ok(rows) if rows.is_empty() => return Ok(()),
                Ok(rows) => rows.iter().for_each(|row| self.check(walk, row)),
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
    }

    fn check(&self, walk: &mut Walk, row: &AuditRow) {
        let Some(link) = row.link else { return };
        walk.report.rows += 1;
        walk.read = link.position;
        let intact = self.check_seal(walk, row, link.position);
        if link.position <= walk.start.position {
            // Before the beginning there is nothing.
            walk.tell(AuditProblem::Moved { id: row.id.0, position: link.position });
            return;
        }
        if link.position > walk.position + 1 {
            walk.tell(AuditProblem::Missing { from: walk.position + 1, to: link.position - 1 });
            walk.last = None;
        }
        let follows = walk.last.is_none_or(|last| link_after(&*self.hash, last, row) == Some(link));
        // One of long ago behind newer ones: put back after it was deleted.
        let in_time = row.event.at.plus(DISORDER) >= walk.newest;
        if intact && !(follows && in_time) {
            walk.tell(AuditProblem::Moved { id: row.id.0, position: link.position });
        }
        let signed = walk.expected.get(&link.position).into_iter().flatten();
        if signed.into_iter().any(|hash| *hash != link.hash) {
            walk.tell(AuditProblem::Rewritten { position: link.position });
        }
        walk.newest = walk.newest.max(row.event.at);
        walk.last = Some(link);
        walk.position = link.position;
    }

    /// Whether the event is what was written; says so if not.
    fn check_seal(&self, walk: &mut Walk, row: &AuditRow, position: i64) -> bool {
        let AuditRow { id: AuditRowId(id), .. } = *row;
        let problem = match (&row.seal, sealed_with(&*self.hash, row)) {
            // Rows from before the log was sealed.
            (None, _) if !walk.sealed => return true,
            (None, _) => AuditProblem::Unsealed { id },
            (Some(_), Some(nonce)) => {
                walk.sealed = true;
                if walk.seen.insert(nonce) {
                    return true;
                }
                AuditProblem::Copied { id }
            }
            (Some(_), None) => AuditProblem::Changed { id, position },
        };
        walk.tell(problem);
        false
    }
}
