//! Links audit events into their chain, shows them on standard output, and deletes those the policy keeps no longer.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use keystead_application::audit::{LinkAudit, PruneAudit};
use keystead_application::operation::PurgeAccounts;
use keystead_application::ports::AuditRow;
use keystead_domain::limits;
use keystead_domain::token::SessionId;
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
        session = event.session.as_ref().map(SessionId::as_str),
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

#[cfg(test)]
mod tests {
    use keystead_application::operation::AddUserCommand;
    use keystead_application::ports::KeyUse;
    use keystead_domain::SecretBytes;
    use keystead_domain::account::{EmailAddress, Role};
    use keystead_domain::audit::AuditEventName;

    use super::*;
    use crate::compose::{Composed, compose};
    use crate::config::{Config, MASTER_KEY_BYTES};

    fn composed(directory: &std::path::Path) -> Composed {
        let key = SecretBytes::new(vec![7; MASTER_KEY_BYTES]);
        compose(&Config::for_dev(([127, 0, 0, 1], 0).into(), directory, &key).unwrap()).unwrap()
    }

    /// An event.
    async fn happens(composed: &Composed, email: &str) {
        let email = EmailAddress::try_new(email).unwrap();
        let command = AddUserCommand { email, username: None, full_name: None, role: Role::User, password: None };
        composed.services.operator.add(command).await.unwrap();
    }

    #[actix_web::test]
    async fn old_events_go_and_what_stays_is_still_a_chain() {
        let directory = tempfile::tempdir().unwrap();
        let composed = composed(directory.path());
        let keys = &composed.services.keys;
        keys.ensure().await.unwrap();
        let days = |days: u32| composed.dev.as_ref().unwrap().advance_clock(Duration::from_hours(24) * days);
        happens(&composed, "ada@example.com").await;
        assert_eq!(composed.background.link_audit.run().await.unwrap().len(), 1);
        // Whatever seals and signs the log lives as long as the log.
        keys.rotate(&KeyUse::ALL).await.unwrap();
        days(200);
        keys.reload().await.unwrap();
        happens(&composed, "bob@example.com").await;
        let linked = composed.background.link_audit.run().await.unwrap();
        let bob = linked.last().and_then(|row| row.link).unwrap().position;

        days(201);
        keys.reload().await.unwrap();
        let services = &composed.services;
        let before = services.verify_audit.run(None).await.unwrap();
        assert_eq!((before.rows.cast_signed(), before.problems), (bob, Vec::new()));
        let (link, read) = (&composed.background.link_audit, &services.read_audit);
        let mut retention = Retention::new(composed.background.prune_audit, composed.background.purge);
        for _ in 0..2 {
            retention.round().await;
            link.run().await.unwrap();
            let after = services.verify_audit.run(None).await.unwrap();
            assert_eq!((after.rows, after.unlinked, after.problems), (2, 0, Vec::new()));
        }
        let left = read.export(None, 10).await.unwrap();
        let left: Vec<_> = left.iter().map(|row| (row.event.name, row.link.unwrap().position)).collect();
        assert_eq!(left, [(AuditEventName::UserAdded, bob), (AuditEventName::AuditPruned, bob + 1)]);
        // A head that was kept before is gone for a reason.
        let kept = services.verify_audit.run(before.head).await.unwrap();
        assert_eq!(kept.problems, []);
    }

    #[actix_web::test]
    async fn a_reader_that_does_not_read_holds_nobody_up() {
        let directory = tempfile::tempdir().unwrap();
        let composed = composed(directory.path());
        composed.services.keys.ensure().await.unwrap();
        for n in 0..3 {
            happens(&composed, &format!("user{n}@example.com")).await;
        }
        let rows = composed.background.link_audit.run().await.unwrap();
        let ((sender, waiting), (_ended, over)) = (sync_channel(2), oneshot::channel());
        let mut stream = AuditStream { thread: Some((sender, over)), ability: Ability::new("it can be shown") };
        stream.show(rows.clone());
        assert!(!stream.ability.works);
        assert_eq!(waiting.try_iter().collect::<Vec<_>>(), rows[..2]);
        stream.show(rows[2..].to_vec());
        assert!(stream.ability.works);
        assert_eq!(waiting.try_iter().collect::<Vec<_>>(), rows[2..]);
    }
}
