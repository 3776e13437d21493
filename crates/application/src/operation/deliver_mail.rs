use std::sync::Arc;
use std::time::Duration;

use keystead_domain::limits;

use crate::failure::Failure;
use crate::ports::{ClaimedMessage, Clock, DeliveryError, Mailer, MessageRenderer, Rendered, SmsSender, Store};
use crate::service::{Opened, Postbox};

/// How mail is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailPolicy {
    /// Messages claimed at once.
    pub batch: u32,
    /// How long a worker owns a claimed message; longer than one batch can take.
    pub lease: Duration,
    /// Attempts before a message is dead.
    pub attempts: u32,
    /// Wait after the first failure; it doubles with each, up to [`Self::longest_wait`].
    pub first_wait: Duration,
    /// Longest wait.
    pub longest_wait: Duration,
}

impl Default for MailPolicy {
    fn default() -> Self {
        Self {
            batch: 1,
            lease: limits::MAIL_LEASE,
            attempts: limits::MAIL_ATTEMPTS,
            first_wait: Duration::from_secs(5),
            longest_wait: Duration::from_secs(600),
        }
    }
}

impl MailPolicy {
    /// The wait after the given number of attempts.
    pub fn wait(&self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(20);
        self.first_wait.saturating_mul(1 << doublings).min(self.longest_wait)
    }
}

/// What one round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Accepted by the mail server.
    pub sent: u32,
    /// To be tried again.
    pub deferred: u32,
    /// Given up.
    pub dead: u32,
}

impl Delivered {
    /// Whether there was anything to do.
    pub fn is_idle(&self) -> bool {
        *self == Self::default()
    }
}

/// What messages leave by.
#[derive(Clone)]
pub struct Channels {
    /// E-mail.
    pub mailer: Arc<dyn Mailer>,
    /// Text messages; `None` when there is no provider.
    pub sms: Option<Arc<dyn SmsSender>>,
}

/// One round of a mail worker: claims due messages, sends them with no transaction open, marks them. A worker that dies
/// in between leaves its lease to end; the next one sends again with the same `Message-ID`.
pub struct DeliverMail {
    store: Arc<dyn Store>,
    channels: Channels,
    renderer: Arc<dyn MessageRenderer>,
    postbox: Arc<Postbox>,
    clock: Arc<dyn Clock>,
    policy: MailPolicy,
}

enum Outcome {
    Sent,
    Later(String),
    Never(String),
}

impl DeliverMail {
    /// The use-case with its dependencies.
    pub fn new(
        store: Arc<dyn Store>,
        channels: Channels,
        renderer: Arc<dyn MessageRenderer>,
        postbox: Arc<Postbox>,
        clock: Arc<dyn Clock>,
        policy: MailPolicy,
    ) -> Self {
        Self { store, channels, renderer, postbox, clock, policy }
    }

    /// Takes over what a predecessor left claimed. Only for a process that is the store's one worker.
    pub async fn take_over(&self) -> Result<(), Failure> {
        let mut tx = self.store.begin().await?;
        tx.outbox().make_due(self.clock.now()).await?;
        Ok(tx.commit().await?)
    }

    /// Runs one round.
    pub async fn run(&self) -> Result<Delivered, Failure> {
        // Looked at without a write lock first: most rounds find nothing.
        let now = self.clock.now();
        if !self.store.read().await?.outbox().is_due(now).await? {
            return Ok(Delivered::default());
        }
        let mut tx = self.store.begin().await?;
        let expired = tx.outbox().expire(now).await?;
        let claimed = tx.outbox().claim(self.policy.batch, now, self.policy.lease).await?;
        if expired == 0 && claimed.is_empty() {
            return Ok(Delivered::default());
        }
        tx.commit().await?;
        let mut delivered = Delivered { dead: u32::try_from(expired).unwrap_or(u32::MAX), ..Delivered::default() };
        for message in claimed {
            let outcome = self.send(&message).await;
            self.mark(&message, outcome, &mut delivered).await?;
        }
        Ok(delivered)
    }

    async fn send(&self, message: &ClaimedMessage) -> Outcome {
        // The code in it may have died since the claim.
        if self.clock.now() >= message.expires_at {
            return Outcome::Never("expired".into());
        }
        let opened = match self.postbox.open(&message.id.0, &message.sealed) {
            Opened::Message(opened) => opened,
            Opened::Unknown => return Outcome::Later("the message is of another version of Keystead".into()),
            Opened::Sealed => return Outcome::Never("the sealed message could not be opened".into()),
        };
        let rendered = match self.renderer.render(&message.id, &opened) {
            Ok(Some(rendered)) => rendered,
            Ok(None) => return Outcome::Sent,
            Err(error) => return Outcome::Later(error.to_string()),
        };
        let sent = match (&rendered, &self.channels.sms) {
            (Rendered::Mail(mail), _) => self.channels.mailer.send(mail).await,
            (Rendered::Sms(sms), Some(sender)) => sender.send(sms).await,
            (Rendered::Sms(_), None) => Err(DeliveryError::Permanent("no SMS provider is configured".into())),
        };
        match sent {
            Ok(()) => Outcome::Sent,
            Err(DeliveryError::Permanent(reason)) => Outcome::Never(reason),
            Err(DeliveryError::Transient(reason)) => Outcome::Later(reason),
        }
    }

    async fn mark(&self, message: &ClaimedMessage, outcome: Outcome, delivered: &mut Delivered) -> Result<(), Failure> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        match outcome {
            Outcome::Sent => {
                tx.outbox().mark_sent(&message.id).await?;
                delivered.sent += 1;
            }
            Outcome::Later(reason) if message.attempts < self.policy.attempts => {
                let next = now.plus(self.policy.wait(message.attempts));
                tracing::warn!(outbox_id = %message.id.0, attempts = message.attempts, %reason, "mail deferred");
                tx.outbox().mark_failed(&message.id, next, &reason).await?;
                delivered.deferred += 1;
            }
            Outcome::Later(reason) | Outcome::Never(reason) => {
                tracing::error!(outbox_id = %message.id.0, attempts = message.attempts, %reason, "mail given up");
                tx.outbox().mark_dead(&message.id, now, &reason).await?;
                delivered.dead += 1;
            }
        }
        Ok(tx.commit().await?)
    }
}

#[cfg(test)]
mod tests;
