use std::sync::Arc;

use keystead_domain::Timestamp;
use keystead_domain::account::{LoginName, UserId};
use keystead_domain::limits::RatePolicy;
use keystead_domain::token::DeviceTokenHash;

use super::attempt::{Attempt, ONCE};
use super::hex::short_hex;
use crate::ports::{BudgetDecision, BudgetKey, KeyedHash, MacPurpose, Store, StoreError, Tx};

/// A guess that was counted before it is compared. Release it when the guess was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuessTicket {
    key: BudgetKey,
    policy: RatePolicy,
}

/// Budgets of guesses, kept on the account and not on where guesses come from: aliases of one account share one, names
/// without an account have one that looks the same, and a browser the owner signed in with before has its own, so that
/// nobody can lock the owner out (G09, G10).
#[derive(Clone)]
pub struct GuessGuard {
    hash: Arc<dyn KeyedHash>,
}

impl GuessGuard {
    /// A guard.
    pub fn new(hash: Arc<dyn KeyedHash>) -> Self {
        Self { hash }
    }

    /// The budget of an account.
    pub fn account(&self, policy: RatePolicy, user: UserId) -> GuessTicket {
        GuessTicket { key: BudgetKey(format!("{}:user:{user}", policy.name)), policy }
    }

    /// The budget of a name nobody has.
    pub fn name(&self, policy: RatePolicy, name: &LoginName) -> GuessTicket {
        let tag = self.hash.mac(MacPurpose::LimitKey, &[name.canonical().as_bytes()]);
        GuessTicket { key: BudgetKey(format!("{}:name:{}", policy.name, short_hex(&tag.bytes))), policy }
    }

    /// The budget of an account at a device it knows.
    pub fn known_device(&self, policy: RatePolicy, user: UserId, device: &DeviceTokenHash) -> GuessTicket {
        GuessTicket { key: BudgetKey(format!("{}:device:{user}:{}", policy.name, short_hex(&device.0))), policy }
    }

    /// The stored form of a known-device token.
    pub fn device_hash(&self, token: &str) -> DeviceTokenHash {
        DeviceTokenHash(self.hash.digest(token.as_bytes()))
    }

    /// Counts a guess. `Ok` inside: how many were counted in this window; the one that reaches the policy's limit spends the
    /// budget. `Err` inside: it is spent until that time.
    pub async fn reserve(
        &self,
        tx: &mut dyn Tx,
        ticket: &GuessTicket,
        now: Timestamp,
    ) -> Result<Result<u32, Timestamp>, StoreError> {
        Ok(match tx.guess_budgets().reserve(&ticket.key, &ticket.policy, now).await? {
            BudgetDecision::Reserved { count } => Ok(count),
            BudgetDecision::Exhausted { resets_at } => Err(resets_at),
        })
    }

    /// Leaves the mark of a request that may come again. `true`: an earlier attempt at it committed, and the caller writes
    /// nothing. Waits for an earlier attempt whose transaction has not ended yet.
    pub async fn was_carried_out(
        &self,
        tx: &mut dyn Tx,
        attempt: Option<&Attempt>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(attempt) = attempt else { return Ok(false) };
        let decision = tx.guess_budgets().reserve(&attempt.mark(&*self.hash), &ONCE, now).await?;
        Ok(matches!(decision, BudgetDecision::Exhausted { .. }))
    }

    /// The guess was counted but never compared, because no password could be hashed: it does not count.
    pub async fn give_back(&self, store: &dyn Store, ticket: &GuessTicket) -> Result<(), StoreError> {
        let mut tx = store.begin().await?;
        self.release(&mut *tx, ticket).await?;
        tx.commit().await
    }

    /// The guess was right.
    pub async fn release(&self, tx: &mut dyn Tx, ticket: &GuessTicket) -> Result<(), StoreError> {
        tx.guess_budgets().release(&ticket.key, &ticket.policy).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ports::Store;
    use crate::test_world::World;
    use crate::testing::{START, user_id};

    const POLICY: RatePolicy = RatePolicy { name: "test", limit: 2, window: Duration::from_secs(60), per: "test" };

    async fn spend(world: &World, ticket: &GuessTicket, now: Timestamp) -> Result<(), Timestamp> {
        let mut tx = world.rows.begin().await.unwrap();
        let counted = world.guard().reserve(&mut *tx, ticket, now).await.unwrap();
        tx.commit().await.unwrap();
        counted.map(|_| ())
    }

    #[tokio::test]
    async fn budgets_of_accounts_devices_names_and_policies_never_mix() {
        let world = World::default();
        let guard = world.guard();
        let other = RatePolicy { name: "other", ..POLICY };
        let tickets = [
            guard.account(POLICY, user_id(1)),
            guard.account(POLICY, user_id(2)),
            guard.account(other, user_id(1)),
            guard.known_device(POLICY, user_id(1), &guard.device_hash("one")),
            guard.known_device(POLICY, user_id(1), &guard.device_hash("two")),
            guard.known_device(POLICY, user_id(2), &guard.device_hash("one")),
            guard.name(POLICY, &LoginName::parse("ada")),
            guard.name(POLICY, &LoginName::parse("eve")),
        ];
        for ticket in &tickets {
            assert_eq!(spend(&world, ticket, START).await, Ok(()));
            assert_eq!(spend(&world, ticket, START).await, Ok(()), "{ticket:?}");
            assert_eq!(spend(&world, ticket, START).await, Err(START.plus(POLICY.window)));
        }
        assert_eq!(spend(&world, &tickets[0], START.plus(POLICY.window)).await, Ok(()));
    }

    #[tokio::test]
    async fn a_right_guess_takes_only_its_own_count_back() {
        let world = World::default();
        let ticket = world.guard().account(POLICY, user_id(1));
        spend(&world, &ticket, START).await.unwrap();
        spend(&world, &ticket, START).await.unwrap();
        let mut tx = world.rows.begin().await.unwrap();
        world.guard().release(&mut *tx, &ticket).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(spend(&world, &ticket, START).await, Ok(()));
        assert!(spend(&world, &ticket, START).await.is_err());
    }

    #[test]
    fn spellings_of_a_name_share_a_budget_and_no_name_is_readable_in_it() {
        let guard = World::default().guard();
        let ticket = guard.name(POLICY, &LoginName::parse("Nobody@Example.com"));
        assert_eq!(ticket, guard.name(POLICY, &LoginName::parse(" nobody@example.COM ")));
        assert!(!format!("{ticket:?}").contains("nobody"));
    }
}
