use std::sync::Arc;

use keystead_domain::Timestamp;
use keystead_domain::account::{ContactKind, LoginName, User, UserId};
use keystead_domain::audit::AuditEventName;
use keystead_domain::factor::{BlockPolicy, FailureSlot, Try};
use keystead_domain::token::{DeviceTokenHash, Factor};

use super::hex::short_hex;
use super::{GuessGuard, Postbox, record};
use crate::context::RequestContext;
use crate::message::Notice;
use crate::ports::{BudgetKey, KeyedHash, MacPurpose, Store, StoreError, Tx};

/// A try at a second factor that was counted before it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactorTicket {
    key: BudgetKey,
    slot: FailureSlot,
    /// The try began a block.
    last: bool,
}

/// Whose factors are tried.
#[derive(Clone, Copy, Debug)]
pub enum Tried<'a> {
    /// A person's, at this device if they know it.
    User(UserId, Option<&'a DeviceTokenHash>),
    /// Those of a name nobody has: counted all the same.
    Nobody(&'a LoginName),
}

/// Counts failures at second factors, over every path that takes one: login, reset, passwordless, step-up, removal. A
/// device its owner signed in with before has a count of its own, so that nobody can block the owner (G10).
#[derive(Clone)]
pub struct FactorGuard {
    hash: Arc<dyn KeyedHash>,
    policy: BlockPolicy,
}

/// The slot of a factor.
pub fn slot_of(factor: Factor) -> FailureSlot {
    match factor {
        Factor::Device => FailureSlot::Device,
        Factor::Totp => FailureSlot::Totp,
        Factor::Email => FailureSlot::Email,
        Factor::Phone => FailureSlot::Phone,
    }
}

/// The slot of codes to a kind of contact.
pub fn slot_of_contact(kind: ContactKind) -> FailureSlot {
    slot_of(kind.factor())
}

impl FactorGuard {
    /// A guard.
    pub fn new(hash: Arc<dyn KeyedHash>, policy: BlockPolicy) -> Self {
        Self { hash, policy }
    }

    fn key(&self, tried: Tried<'_>) -> BudgetKey {
        BudgetKey(match tried {
            Tried::User(user, None) => format!("user:{user}"),
            Tried::User(user, Some(device)) => format!("device:{user}:{}", short_hex(&device.0)),
            Tried::Nobody(name) => {
                let tag = self.hash.mac(MacPurpose::LimitKey, &[b"factor", name.canonical().as_bytes()]);
                format!("name:{}", short_hex(&tag.bytes))
            }
        })
    }

    /// The device, if this user knows it.
    pub(crate) async fn known(
        guard: &GuessGuard,
        tx: &mut dyn Tx,
        user: UserId,
        device: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<DeviceTokenHash>, StoreError> {
        let Some(device) = device.map(|token| guard.device_hash(token)) else { return Ok(None) };
        Ok(tx.devices().is_known(user, device, now).await?.then_some(device))
    }

    /// Counts a try, in the caller's transaction, which must be committed before anything is compared. `Err` inside:
    /// blocked until then.
    pub async fn count(
        &self,
        tx: &mut dyn Tx,
        tried: Tried<'_>,
        slot: FailureSlot,
        now: Timestamp,
    ) -> Result<Result<FactorTicket, Timestamp>, StoreError> {
        let key = self.key(tried);
        let mut failures = tx.factor_failures().hold(&key).await?;
        match failures.count(slot, &self.policy, now) {
            Try::Blocked { until } => Ok(Err(until)),
            Try::Counted { last } => {
                tx.factor_failures().put(&key, &failures, failures.forgotten_at(&self.policy)).await?;
                Ok(Ok(FactorTicket { key, slot, last }))
            }
        }
    }

    /// The try was right.
    pub async fn succeed(&self, tx: &mut dyn Tx, ticket: &FactorTicket) -> Result<(), StoreError> {
        let mut failures = tx.factor_failures().hold(&ticket.key).await?;
        failures.succeed(ticket.slot, ticket.last, &self.policy);
        tx.factor_failures().put(&ticket.key, &failures, failures.forgotten_at(&self.policy)).await
    }

    /// The try was never compared, or the request failed for another reason: it does not count.
    pub async fn give_back(&self, store: &dyn Store, ticket: &FactorTicket) -> Result<(), StoreError> {
        let mut tx = store.begin().await?;
        let mut failures = tx.factor_failures().hold(&ticket.key).await?;
        failures.give_back(ticket.slot, ticket.last);
        tx.factor_failures().put(&ticket.key, &failures, failures.forgotten_at(&self.policy)).await?;
        tx.commit().await
    }

    /// The answer, or the failure that kept it from being compared or used: what was counted for it is taken back. Who tries
    /// again while a store is away must not find themselves blocked when it is there again.
    pub(crate) async fn or_give_back<T, E: From<StoreError>>(
        &self,
        store: &dyn Store,
        ticket: &FactorTicket,
        outcome: Result<T, E>,
    ) -> Result<T, E> {
        if outcome.is_err() {
            self.give_back(store, ticket).await?;
        }
        outcome
    }

    /// The try was wrong: writes the event and, when it began a block, tells the owner, at most once in a while.
    pub(crate) async fn fail(
        &self,
        tx: &mut dyn Tx,
        postbox: &Postbox,
        ticket: &FactorTicket,
        user: Option<&User>,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let who = (None, user.map(|user| user.id));
        record(tx, AuditEventName::SecondFactorFailed, who, None, context, now).await?;
        if !ticket.last {
            return Ok(());
        }
        record(tx, AuditEventName::SecondFactorBlocked, who, None, context, now).await?;
        let mut failures = tx.factor_failures().hold(&ticket.key).await?;
        if failures.alert(&self.policy, now) {
            tx.factor_failures().put(&ticket.key, &failures, failures.forgotten_at(&self.policy)).await?;
            let blocked = failures.blocked_until.map_or(self.policy.block, |until| until.since(now));
            let notice =
                Notice::FactorsBlocked { minutes: blocked.as_secs().div_ceil(60), occasion: context.occasion(now) };
            match user {
                Some(user) => postbox.notify(tx, user, notice, now).await?,
                None => postbox.post(tx, &crate::message::Message::decoy(), now, self.policy.block).await?,
            }
        }
        Ok(())
    }
}
