//! The audit log: what makes it show when somebody laid a hand on it, and what is read from it.
//!
//! ```text
//! use-case ── append ──> SealingStore: keyed hash of the event ──> row, unlinked     (in the transaction that causes it)
//! worker, every second ── LinkAudit: position, hash over the row and the hash before ──> row, linked; signed checkpoint
//! worker, daily ── PruneAudit: what the policy keeps no longer, behind a signed floor
//! keystead audit verify ── VerifyAudit: seals, links, gaps, checkpoints ──> which rows
//! ```
//!
//! A row changed by hand has a wrong seal, and so has one that was added; one that was deleted or moved breaks the chain; who
//! makes the chain fit again cannot make the checkpoints fit.

mod link;
mod prune;
mod read;
mod seal;
#[cfg(test)]
mod tests;
mod verify;

pub use link::LinkAudit;
pub use prune::PruneAudit;
pub use read::{AuditCursor, ReadAudit};
pub use seal::SealingStore;
pub use verify::{AuditProblem, AuditReport, VerifyAudit};
