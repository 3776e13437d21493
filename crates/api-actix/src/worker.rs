//! What runs beside requests. Every task goes on after a failure: what failed is tried again in the next round.

use std::time::Duration;

use keystead_application::operation::DeliverMail;
use keystead_domain::limits;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::compose::Background;

/// How often the outbox is looked at when there was nothing to send.
const OUTBOX_POLL: Duration = Duration::from_millis(200);
/// How often last-seen times are written.
const SEEN_FLUSH: Duration = Duration::from_secs(30);
/// How often lapsed rows are deleted.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// The running tasks. They end when told to, finishing the round they are in.
pub struct Workers {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Reads the revocation log once, so that the first request finds a confirmed view; then starts the tasks on this
/// thread's runtime, which must have a `LocalSet`.
pub async fn start(mut background: Background) -> Workers {
    if let Err(error) = background.revocations.poll().await {
        tracing::error!(%error, "the revocation log cannot be read");
    }
    let (stop, stopped) = watch::channel(false);
    let Background { mut revocations, view: _, mail, keys, housekeeping, seen, sessions, clock, garbage } = background;
    let mut tasks = vec![
        every(limits::REVOCATION_POLL, stopped.clone(), async move || {
            if let Err(error) = revocations.poll().await {
                tracing::error!(%error, "the revocation log cannot be read");
            }
        }),
        every(limits::KEY_POLL, stopped.clone(), async move || {
            if let Err(error) = keys.reload().await {
                tracing::error!(%error, "keys cannot be read");
            }
        }),
        every(SEEN_FLUSH, stopped.clone(), async move || {
            let batch = seen.drain();
            if !batch.is_empty()
                && let Err(error) = sessions.touch(&batch).await
            {
                tracing::warn!(%error, "last-seen times were not written");
            }
        }),
        every(HOUSEKEEPING, stopped.clone(), async move || {
            if let Err(error) = housekeeping.run().await {
                tracing::warn!(%error, "housekeeping failed");
            }
            if let Err(error) = garbage.collect(clock.now()).await {
                tracing::warn!(%error, "housekeeping failed");
            }
        }),
    ];
    if let Some(mail) = mail {
        // The embedded store has one worker: this one.
        if let Err(error) = mail.take_over().await {
            tracing::warn!(%error, "mail that was under way waits for its lease");
        }
        tasks.push(spawn_local(deliver(mail, stopped)));
    }
    Workers { stop, tasks }
}

impl Workers {
    /// Ends every task, waiting at most `limit` for rounds under way. A mail under way is sent again by the next
    /// process, when its lease is over, with the same `Message-ID`.
    pub async fn stop(self, limit: Duration) {
        let _ = self.stop.send(true);
        let deadline = Instant::now() + limit;
        for task in self.tasks {
            if tokio::time::timeout_at(deadline, task).await.is_err() {
                tracing::warn!("a background task did not end in time");
            }
        }
    }
}

/// Runs `round` every `period`, the first time after one period, until stopped.
fn every(
    period: Duration,
    mut stopped: watch::Receiver<bool>,
    mut round: impl AsyncFnMut() + 'static,
) -> JoinHandle<()> {
    spawn_local(async move {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            tokio::select! {
                _ = stopped.changed() => return,
                _ = ticks.tick() => round().await,
            }
        }
    })
}

async fn deliver(mail: DeliverMail, mut stopped: watch::Receiver<bool>) {
    loop {
        let idle = match mail.run().await {
            Ok(delivered) => {
                count(delivered.sent, "sent");
                count(delivered.deferred, "deferred");
                count(delivered.dead, "dead");
                delivered.is_idle()
            }
            Err(error) => {
                tracing::error!(%error, "the outbox cannot be worked on");
                true
            }
        };
        if *stopped.borrow() {
            return;
        }
        if idle {
            tokio::select! {
                _ = stopped.changed() => return,
                () = sleep(OUTBOX_POLL) => {}
            }
        }
    }
}

fn count(messages: u32, outcome: &'static str) {
    if messages > 0 {
        metrics::counter!("keystead_mail_total", "outcome" => outcome).increment(u64::from(messages));
    }
}
