use std::sync::Arc;
use std::time::Duration;

use keystead_domain::Timestamp;
use keystead_domain::account::{Address, EmailAddress, FullName, User, UserId};
use keystead_domain::audit::{AuditEvent, AuditEventName};
use keystead_domain::token::SessionId;

use crate::context::RequestContext;
use crate::message::{Message, Notice};
use crate::ports::{Entropy, NewMessage, Sealer, StoreError, Tx};
use crate::random;

/// How long a notice that carries no code is tried.
const NOTICE_LIFE: Duration = Duration::from_secs(3 * 86_400);

/// Writes messages into the outbox of a transaction, sealed.
pub struct Postbox {
    sealer: Arc<dyn Sealer>,
    entropy: Arc<dyn Entropy>,
}

impl Postbox {
    /// A postbox.
    pub fn new(sealer: Arc<dyn Sealer>, entropy: Arc<dyn Entropy>) -> Self {
        Self { sealer, entropy }
    }

    /// Posts a message that is of no use after `life`.
    pub async fn post(
        &self,
        tx: &mut dyn Tx,
        message: &Message,
        now: Timestamp,
        life: Duration,
    ) -> Result<(), StoreError> {
        let id = random::outbox_id(&*self.entropy);
        let sealed = self.sealer.seal(&context(&id.0), message.encode().expose().as_bytes());
        tx.outbox().enqueue(&NewMessage { id, sealed, created_at: now, expires_at: now.plus(life) }).await
    }

    /// Posts a security notice to the owner of an account, where they are told things.
    pub async fn notify(&self, tx: &mut dyn Tx, user: &User, notice: Notice, now: Timestamp) -> Result<(), StoreError> {
        self.post(tx, &to_user(user, notice), now, NOTICE_LIFE).await
    }

    /// Posts a security notice about an account to an address.
    pub async fn notify_at(
        &self,
        tx: &mut dyn Tx,
        (user, to): (&User, Address),
        notice: Notice,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.post(tx, &to_address(user, to, notice), now, NOTICE_LIFE).await
    }

    /// Opens a message again.
    pub fn open(&self, id: &str, sealed: &[u8]) -> Opened {
        match self.sealer.open(&context(id), sealed) {
            Ok(opened) => Message::decode(opened.expose()).map_or(Opened::Unknown, Opened::Message),
            Err(_) => Opened::Sealed,
        }
    }
}

/// What came of opening a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The message.
    Message(Message),
    /// A message this version does not know: a later one wrote it, and will send it.
    Unknown,
    /// It was sealed by another key, for another row, or changed.
    Sealed,
}

/// The message to the owner of an account, where they are told things.
pub(crate) fn to_user(user: &User, notice: Notice) -> Message {
    match user.address() {
        Some(to) => to_address(user, to, notice),
        // No account is without a contact; if one ever is, nothing can be sent.
        None => to_address(user, Address::Email(EmailAddress::nobody()), Notice::Decoy),
    }
}

/// The message about an account to an address.
pub(crate) fn to_address(user: &User, to: Address, notice: Notice) -> Message {
    Message {
        to,
        locale: user.locale.as_ref().map(ToString::to_string),
        name: user.full_name.as_ref().and_then(FullName::in_mails).map(str::to_owned),
        notice,
    }
}

fn context(id: &str) -> Vec<u8> {
    [b"outbox:", id.as_bytes()].concat()
}

/// Appends a security event about an account to the audit log.
pub async fn record(
    tx: &mut dyn Tx,
    name: AuditEventName,
    who: (Option<UserId>, Option<UserId>),
    session: Option<&SessionId>,
    context: &RequestContext,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.audit().append(&event_of(name, who, session, context, now)).await
}

/// The same, with what the name alone does not say.
pub async fn record_with(
    tx: &mut dyn Tx,
    name: AuditEventName,
    who: (Option<UserId>, Option<UserId>),
    session: Option<&SessionId>,
    (context, detail): (&RequestContext, String),
    now: Timestamp,
) -> Result<(), StoreError> {
    let event = AuditEvent { detail: Some(detail), ..event_of(name, who, session, context, now) };
    tx.audit().append(&event).await
}

fn event_of(
    name: AuditEventName,
    (actor, subject): (Option<UserId>, Option<UserId>),
    session: Option<&SessionId>,
    context: &RequestContext,
    now: Timestamp,
) -> AuditEvent {
    AuditEvent {
        name,
        at: now,
        actor,
        impersonator: context.impersonator,
        subject,
        session: session.cloned(),
        device: context.device.clone(),
        detail: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Store;
    use crate::test_world::World;
    use crate::testing::{START, a_user, after};

    #[tokio::test]
    async fn a_message_is_kept_sealed_for_its_life_and_opens_in_its_own_row_only() {
        let world = World::default();
        let postbox = world.postbox();
        let mut tx = world.rows.begin().await.unwrap();
        postbox.notify(&mut *tx, &a_user(), Notice::Decoy, START).await.unwrap();
        postbox.post(&mut *tx, &Message::decoy(), START, Duration::from_secs(300)).await.unwrap();
        tx.commit().await.unwrap();
        let rows = world.rows.state().outbox.0;
        let (notice, code) = (&rows[0].message, &rows[1].message);
        assert_eq!((notice.expires_at, code.expires_at), (after(3 * 86_400), after(300)));
        assert_eq!(postbox.open(&notice.id.0, &notice.sealed), Opened::Message(to_user(&a_user(), Notice::Decoy)));
        assert_eq!(postbox.open(&code.id.0, &notice.sealed), Opened::Sealed);
    }

    #[test]
    fn a_message_speaks_the_language_and_name_of_its_owner() {
        let message = to_user(&a_user(), Notice::Decoy);
        assert_eq!((message.locale.as_deref(), message.name.as_deref()), (Some("en-GB"), Some("Ada Lovelace")));
    }
}
