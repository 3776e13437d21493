//! What runs beside requests. Every task goes on after a failure: what failed is tried again in the next round.

mod audit;
mod reminders;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use keystead_application::factor::ResealFactors;
use keystead_application::failure::Failure;
use keystead_application::operation::{DeliverMail, KeyKeeper};
use keystead_application::ports::KeyUse;
use keystead_application::revocation::{Heard, RevocationKeeper, RevocationListener};
use keystead_domain::limits;
use keystead_domain::token::KeyId;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use self::audit::{AuditStream, Retention};
use crate::compose::Background;

/// How often the outbox is looked at when there was nothing to send.
const OUTBOX_POLL: Duration = Duration::from_millis(200);
/// How long one reading of the feed waits for an entry.
const FEED_WAIT: Duration = Duration::from_millis(250);
/// How often last-seen times are written.
const SEEN_FLUSH: Duration = Duration::from_secs(30);
/// How often lapsed rows are deleted.
const HOUSEKEEPING: Duration = Duration::from_secs(60);
/// How often it is looked whether there is a newer sealing key.
const RESEALING: Duration = Duration::from_secs(120);
/// How often what the policy keeps no longer is deleted, and how long after the start first: later than what a process
/// that is started again and again lives, and than the rush after a start.
const RETENTION: Duration = Duration::from_hours(1);
const FIRST_RETENTION: Duration = Duration::from_mins(3);

/// The running tasks. They end when told to, finishing the round they are in.
pub struct Workers {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Reads the revocation log once, so that the first request finds a confirmed view; then starts the tasks on this
/// thread's runtime, which must have a `LocalSet`.
pub async fn start(mut background: Background) -> Workers {
    let mut log = Ability::new("the revocation log can be read");
    log.note(&background.revocations.poll().await);
    let (stop, stopped) = watch::channel(false);
    let Background {
        revocations,
        listener,
        view: _,
        mail,
        keys,
        reseal,
        housekeeping,
        seen,
        sessions,
        clock,
        garbage,
        is_alone,
        link_audit,
        prune_audit,
        purge,
        reminders: on_schedule,
    } = background;
    let gap = Arc::new(Notify::new());
    let mut key_table = Ability::new("keys can be read");
    let mut resealing = Resealing { keys: Arc::clone(&keys), reseal, settled: None, clean: 0 };
    let mut retention = Retention::new(prune_audit, purge);
    let mut tasks = vec![
        spawn_local(read_log(revocations, log, Arc::clone(&gap), stopped.clone())),
        spawn_local(listen(listener, gap, stopped.clone())),
        spawn_local(audit::link(link_audit, AuditStream::start(), stopped.clone())),
        every_after(FIRST_RETENTION, RETENTION, stopped.clone(), async move || retention.round().await),
        every(limits::KEY_POLL, stopped.clone(), async move || key_table.note(&keys.reload().await)),
        every(SEEN_FLUSH, stopped.clone(), async move || {
            let batch = seen.drain();
            if !batch.is_empty()
                && let Err(error) = sessions.touch(&batch).await
            {
                tracing::warn!(%error, "last-seen times were not written");
            }
        }),
        every(RESEALING, stopped.clone(), async move || {
            if let Err(error) = resealing.round().await {
                tracing::warn!(%error, "what older keys sealed was not sealed again");
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
    if let Some(mut on_schedule) = on_schedule {
        let mut ability = Ability::new("reminders can be sent");
        let round = async move || reminders::round(&mut on_schedule, &mut ability).await;
        tasks.push(every(reminders::POLL, stopped.clone(), round));
    }
    if let Some(mail) = mail {
        // Where this is the only worker, what its predecessor had claimed need not wait.
        if is_alone && let Err(error) = mail.take_over().await {
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
fn every(period: Duration, stopped: watch::Receiver<bool>, round: impl AsyncFnMut() + 'static) -> JoinHandle<()> {
    every_after(period, period, stopped, round)
}

/// The same, the first time after `first`.
fn every_after(
    first: Duration,
    period: Duration,
    mut stopped: watch::Receiver<bool>,
    mut round: impl AsyncFnMut() + 'static,
) -> JoinHandle<()> {
    spawn_local(async move {
        let mut ticks = interval_at(Instant::now() + first, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stopped.changed() => return,
                _ = ticks.tick() => round().await,
            }
        }
    })
}

/// Reads the revocation log in every turn, and from its beginning when the feed had a gap.
async fn read_log(
    mut keeper: RevocationKeeper,
    mut log: Ability,
    gap: Arc<Notify>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut ticks = interval_at(Instant::now() + limits::REVOCATION_POLL, limits::REVOCATION_POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            () = gap.notified() => keeper.start_over(),
            _ = ticks.tick() => {}
        }
        log.note(&keeper.poll().await);
    }
}

/// Listens to the feed without a pause.
async fn listen(mut listener: RevocationListener, gap: Arc<Notify>, mut stopped: watch::Receiver<bool>) {
    let mut feed = Ability::new("the revocation feed can be read");
    loop {
        let heard = tokio::select! {
            _ = stopped.changed() => return,
            heard = listener.listen(FEED_WAIT) => heard,
        };
        feed.note(&heard);
        match heard {
            Ok(Heard::Everything) => {}
            Ok(Heard::Gap) => gap.notify_one(),
            // The log is read meanwhile; nobody waits for this.
            Err(_) => sleep(limits::REVOCATION_POLL).await,
        }
    }
}

/// Seals what older keys sealed again, and then rests until there is a newer key: a look at every row is not cheap.
struct Resealing {
    keys: Arc<KeyKeeper>,
    reseal: Arc<ResealFactors>,
    /// The key the last rounds were about.
    settled: Option<KeyId>,
    /// Rounds about it that found nothing. It takes two: another replica may have sealed under the older key while the
    /// first one looked.
    clean: u32,
}

impl Resealing {
    async fn round(&mut self) -> Result<(), Failure> {
        let keys = self.keys.list().await?;
        let active = keys.into_iter().find(|overview| overview.active && overview.key.key_use == KeyUse::Seal);
        let active = active.map(|overview| overview.key.id);
        if active != self.settled {
            (self.settled, self.clean) = (active, 0);
        }
        if self.clean == 2 {
            return Ok(());
        }
        let resealed = self.reseal.run().await?;
        self.clean = if resealed == 0 { self.clean + 1 } else { 0 };
        if resealed > 0 {
            tracing::info!(resealed, "secrets were sealed again under the newest key");
        }
        Ok(())
    }
}

/// Whether something works, told in the log when that changes: an outage is two lines, not four a second.
struct Ability {
    what: &'static str,
    works: bool,
}

impl Ability {
    fn new(what: &'static str) -> Self {
        Self { what, works: true }
    }

    fn note<T, E: Display>(&mut self, result: &Result<T, E>) {
        match result {
            Err(error) if self.works => tracing::error!(%error, "no longer: {}", self.what),
            Ok(_) if !self.works => tracing::info!("again: {}", self.what),
            _ => {}
        }
        self.works = result.is_ok();
    }
}

async fn deliver(mail: DeliverMail, mut stopped: watch::Receiver<bool>) {
    let mut outbox = Ability::new("the outbox can be worked on");
    loop {
        let delivered = mail.run().await;
        outbox.note(&delivered);
        let idle = match delivered {
            Ok(delivered) => {
                count(delivered.sent, "sent");
                count(delivered.deferred, "deferred");
                count(delivered.dead, "dead");
                delivered.is_idle()
            }
            Err(_) => true,
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

#[cfg(test)]
mod tests {
    use keystead_application::context::RequestContext;
    use keystead_application::operation::AddUserCommand;
    use keystead_application::service::Caller;
    use keystead_application::session::LoginCommand;
    use keystead_domain::account::{EmailAddress, Role, UserId};
    use keystead_domain::{SecretBytes, SecretString};

    use super::*;
    use crate::compose::{Composed, compose};
    use crate::config::{Config, MASTER_KEY_BYTES};

    const PASSWORD: &str = "granite-otter-sunday-93";

    /// Somebody with a secret for an authenticator program that waits to be confirmed.
    async fn with_secret(composed: &Composed) -> UserId {
        let services = &composed.services;
        let email = EmailAddress::try_new("ada@example.com").unwrap();
        let password = Some(SecretString::new(PASSWORD.into()));
        let command = AddUserCommand { email, username: None, full_name: None, role: Role::User, password };
        services.operator.add(command).await.unwrap();
        let password = SecretString::new(PASSWORD.into());
        let command = LoginCommand { identity: "ada@example.com".into(), password, device: None, captcha: None };
        let admission = services.login.run(command, &RequestContext::default()).await.unwrap();
        let claims = admission.authorized().unwrap().claims;
        let user = claims.subject;
        services.totp.begin(&Caller { claims, proof: None, device: None }).await.unwrap();
        user
    }

    async fn sealed(composed: &Composed, user: UserId) -> Vec<u8> {
        let mut tx = composed.services.store.read().await.unwrap();
        tx.factors().totp(user).await.unwrap().unwrap().pending.unwrap().sealed
    }

    #[actix_web::test]
    async fn a_new_sealing_key_has_secrets_sealed_again_and_then_there_is_rest() {
        let directory = tempfile::tempdir().unwrap();
        let key = SecretBytes::new(vec![7; MASTER_KEY_BYTES]);
        let config = Config::for_dev(([127, 0, 0, 1], 0).into(), directory.path(), &key).unwrap();
        let composed = compose(&config).unwrap();
        let (keys, reseal) = (Arc::clone(&composed.background.keys), Arc::clone(&composed.background.reseal));
        keys.ensure().await.unwrap();
        let user = with_secret(&composed).await;
        let mut resealing = Resealing { keys: Arc::clone(&keys), reseal, settled: None, clean: 0 };

        let first = sealed(&composed, user).await;
        for clean in [1, 2, 2] {
            resealing.round().await.unwrap();
            assert_eq!((resealing.clean, sealed(&composed, user).await), (clean, first.clone()));
        }
        keys.rotate(&[KeyUse::Seal]).await.unwrap();
        resealing.round().await.unwrap();
        assert_eq!(sealed(&composed, user).await, first, "published, not yet active");

        composed.dev.as_ref().unwrap().advance_clock(limits::KEY_PREPUBLISH + Duration::from_secs(1));
        keys.reload().await.unwrap();
        resealing.round().await.unwrap();
        let second = sealed(&composed, user).await;
        assert_ne!(second, first);
        for clean in [1, 2, 2] {
            resealing.round().await.unwrap();
            assert_eq!((resealing.clean, sealed(&composed, user).await), (clean, second.clone()));
        }
        assert_eq!(composed.services.reseal.run().await, Ok(0));
    }
}
