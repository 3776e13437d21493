//! Links audit events into their chain, shows them on standard output, and deletes those the policy keeps no longer.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use keystead_application::audit::{LinkAudit, PruneAudit};
use keystead_application::operation::PurgeAccounts;
use keystead_application::ports::AuditRow;
use keystead_domain::limits;
use tokio::sync::{oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Ability;
use crate::cli::AUDIT_TARGET;

/// Events that wait to be shown. What comes when as many wait is not shown; it stays in the database.
const WAITING: usize = 10_000;
/// How long the end of the process waits for events that are still to be shown.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Links what was written since, every second, and once more at the end.
pub(super) async fn link(link: LinkAudit, mut stream: AuditStream, mut stopped: watch::Receiver<bool>) {
    let mut ability = Ability::new("audit events can be linked");
    let mut ticks = interval(limits::AUDIT_LINK_POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ends = false;
    while !ends {
        tokio::select! {
            _ = stopped.changed() => ends = true,
            _ = ticks.tick() => {}
        }
        loop {
            let linked = link.run().await;
            ability.note(&linked);
            let Ok(rows) = linked else { break };
            let is_full = rows.len() >= usize::try_from(limits::AUDIT_BATCH).unwrap_or(usize::MAX);
            stream.show(rows);
            if !is_full || *stopped.borrow() {
                break;
            }
        }
    }
    stream.finish().await;
}

/// Shows audit events, on a thread of its own: whoever reads standard output slowly, or not at all, holds up nothing else.
pub(super) struct AuditStream {
    /// `None` when nobody asked for the stream.
    thread: Option<(SyncSender<AuditRow>, oneshot::Receiver<()>)>,
    ability: Ability,
}

impl AuditStream {
    /// Starts it, if the log of this thread takes such events.
    pub(super) fn start() -> Self {
        let is_wanted = tracing::enabled!(target: AUDIT_TARGET, tracing::Level::INFO);
        let thread = if is_wanted { spawn().map(Some) } else { Ok(None) };
        let mut ability = Ability::new("audit events can be shown on standard output");
        ability.note(&thread);
        Self { thread: thread.ok().flatten(), ability }
    }

    /// Shows these, in their order.
    fn show(&mut self, rows: Vec<AuditRow>) {
        let Some((sender, _)) = &self.thread else { return };
        for row in rows {
            // Said once until it works again: the log must not fill up instead.
            self.ability.note(&sender.try_send(row).map_err(|_| "nobody reads it; the events are in the database"));
        }
    }

    /// Ends it when what waits was shown, or after [`LAST_WORDS`].
    async fn finish(self) {
        if let Some((sender, over)) = self.thread {
            drop(sender);
            if timeout(LAST_WORDS, over).await.is_err() {
                tracing::warn!("not all audit events were shown on standard output; they are in the database");
            }
        }
    }
}

fn spawn() -> std::io::Result<(SyncSender<AuditRow>, oneshot::Receiver<()>)> {
    let (sender, rows) = sync_channel(WAITING);
    let (ended, over) = oneshot::channel();
    let log = tracing::dispatcher::get_default(Clone::clone);
    let thread = std::thread::Builder::new().name("audit-stream".into());
    thread.spawn(move || {
        tracing::dispatcher::with_default(&log, || tell_all(&rows));
        let _ = ended.send(());
    })?;
    Ok((sender, over))
}

fn tell_all(rows: &Receiver<AuditRow>) {
    for row in rows {
        tell(&row);
    }
}

/// One event as one entry of the log. What the client called itself is left out: it is the client's to choose.
fn tell(row: &AuditRow) {
    let event = &row.event;
    tracing::info!(
        target: AUDIT_TARGET,
        event = event.name.as_str(),
        at = crate::cli::precise_time(event.at),
        actor = event.actor.map(tracing::field::display),
        impersonator = event.impersonator.map(tracing::field::display),
        subject = event.subject.map(tracing::field::display),
        session = event.session.as_ref().map(|session| session.as_str()),
        ip = event.device.ip.map(tracing::field::display),
        position = row.link.map(|link| link.position),
        detail = event.detail.as_deref(),
    );
}

/// What is done once an hour: deleting what the policy keeps no longer.
pub(super) struct Retention {
    prune: PruneAudit,
    purge: PurgeAccounts,
    pruning: Ability,
    purging: Ability,
}

impl Retention {
    pub(super) fn new(prune: PruneAudit, purge: PurgeAccounts) -> Self {
        let pruning = Ability::new("old audit events can be deleted");
        let purging = Ability::new("accounts closed long ago can be deleted");
        Self { prune, purge, pruning, purging }
    }

    /// One round. What fails is tried again in the next.
    pub(super) async fn round(&mut self) {
        let purged = self.purge.run().await;
        self.purging.note(&purged);
        if let Ok(accounts @ 1..) = purged {
            tracing::info!(accounts, "accounts that were closed long ago were deleted");
        }
        let pruned = self.prune.run().await;
        self.pruning.note(&pruned);
        if let Ok(events @ 1..) = pruned {
            tracing::info!(events, "audit events older than retention.audit_days were deleted");
        }
    }
}
