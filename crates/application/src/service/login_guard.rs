use std::sync::Arc;

use keystead_domain::Timestamp;
use keystead_domain::account::{LoginName, UserId};
use keystead_domain::limits::RatePolicy;
use keystead_domain::token::DeviceTokenHash;

use super::attempt::{Attempt, ONCE};
use super::hex::short_hex;
use crate::ports::{BudgetDecision, BudgetKey, KeyedHash, MacPurpose, Store, StoreError, Tx};
use crate::settings::AccountLimits;

/// Whose devices are looked up for a name nobody has: one of 2^122 identifiers an account could get.
const NOBODY: UserId = UserId::from_random([0; 16]);

/// A guess that was counted before it is compared. Release it when the guess was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuessTicket {
    key: BudgetKey,
    policy: RatePolicy,
}

/// Whom a guess at a login, or a request for a message, is counted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guesser {
    /// A name nobody has.
    Nobody(LoginName),
    /// An account, asked for from anywhere.
    Account(UserId),
    /// An account, asked for from a device it knows.
    KnownDevice(UserId, DeviceTokenHash),
}

impl Guesser {
    /// The account that is meant, if there is one.
    pub const fn user(&self) -> Option<UserId> {
        match self {
            Self::Nobody(_) => None,
            Self::Account(user) | Self::KnownDevice(user, _) => Some(*user),
        }
    }

    /// Whether the account's owner signed in from there before.
    pub const fn is_known_device(&self) -> bool {
        matches!(self, Self::KnownDevice(..))
    }
}

/// What a captcha does for a guess beyond the first budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptchaRelief {
    /// Nothing: captchas are off.
    None,
    /// It would help; none was checked yet.
    Offered,
    /// One was solved for this guess.
    Solved,
}

/// What counting a guess at a login came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginCount {
    /// Counted: it may be compared.
    Counted {
        /// What to release when it was right.
        ticket: GuessTicket,
        /// Whether it spent the budget.
        is_last: bool,
    },
    /// Not counted: another guess needs a captcha. Drop the transaction, check one, count again with
    /// [`CaptchaRelief::Solved`].
    CaptchaNeeded,
    /// Not counted: too many failed.
    Limited {
        /// When the next attempt counts.
        again_at: Timestamp,
    },
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

    /// Whom a request with this name, and this device if one was shown, is counted for. `account` is who has the name. A
    /// device is looked up even where there is no account, so that time does not tell (G01).
    pub async fn guesser(
        &self,
        tx: &mut dyn Tx,
        account: Option<UserId>,
        name: &LoginName,
        device: Option<DeviceTokenHash>,
        now: Timestamp,
    ) -> Result<Guesser, StoreError> {
        let known = match device {
            Some(device) => tx.devices().is_known(account.unwrap_or(NOBODY), device, now).await?.then_some(device),
            None => None,
        };
        Ok(match (account, known) {
            (Some(user), Some(device)) => Guesser::KnownDevice(user, device),
            (Some(user), None) => Guesser::Account(user),
            (None, _) => Guesser::Nobody(name.clone()),
        })
    }

    /// Counts a guess at a login, by password or by SRP. Once the budget is spent, a captcha buys guesses out of a second
    /// one; a known device has one budget, and is never asked for a captcha.
    pub async fn count_login(
        &self,
        tx: &mut dyn Tx,
        guesser: &Guesser,
        limits: &AccountLimits,
        relief: CaptchaRelief,
        now: Timestamp,
    ) -> Result<LoginCount, StoreError> {
        let spent = match self.count_one(tx, self.ticket(limits.login, guesser), now).await? {
            LoginCount::Limited { again_at } => again_at,
            counted => return Ok(counted),
        };
        if relief == CaptchaRelief::None || guesser.is_known_device() {
            return Ok(LoginCount::Limited { again_at: spent });
        }
        // Counted also when no captcha was solved yet: nobody is made to solve one that cannot help.
        match self.count_one(tx, self.ticket(limits.login_captcha, guesser), now).await? {
            LoginCount::Counted { ticket, .. } if relief == CaptchaRelief::Offered => {
                self.release(tx, &ticket).await?;
                Ok(LoginCount::CaptchaNeeded)
            }
            // Whichever budget has one again first opens the way.
            LoginCount::Limited { again_at } => Ok(LoginCount::Limited { again_at: again_at.min(spent) }),
            counted => Ok(counted),
        }
    }

    async fn count_one(&self, tx: &mut dyn Tx, ticket: GuessTicket, now: Timestamp) -> Result<LoginCount, StoreError> {
        Ok(match self.reserve(tx, &ticket, now).await? {
            Ok(count) => LoginCount::Counted { is_last: count >= ticket.policy.limit, ticket },
            Err(again_at) => LoginCount::Limited { again_at },
        })
    }

    /// The budget of whoever guesses or asks.
    pub fn ticket(&self, policy: RatePolicy, guesser: &Guesser) -> GuessTicket {
        match guesser {
            Guesser::Nobody(name) => self.name(policy, name),
            Guesser::Account(user) => self.account(policy, *user),
            Guesser::KnownDevice(user, device) => self.known_device(policy, *user, device),
        }
    }

    /// Counts a guess. `Ok` inside: how many of the policy's limit are taken now; the one that reaches it spends the budget.
    /// `Err` inside: it is spent until that time, from which on one more counts.
    pub async fn reserve(
        &self,
        tx: &mut dyn Tx,
        ticket: &GuessTicket,
        now: Timestamp,
    ) -> Result<Result<u32, Timestamp>, StoreError> {
        Ok(match tx.guess_budgets().reserve(&ticket.key, &ticket.policy, now).await? {
            BudgetDecision::Reserved { count } => Ok(count),
            BudgetDecision::Exhausted { again_at } => Err(again_at),
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
            assert_eq!(spend(&world, ticket, START).await, Err(START.plus(POLICY.interval())));
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

    /// Counts a guess and commits it, unless it takes a captcha.
    async fn guess(world: &World, guesser: &Guesser, relief: CaptchaRelief) -> LoginCount {
        let limits = AccountLimits { login: POLICY, login_captcha: BOUGHT, ..AccountLimits::default() };
        let mut tx = world.rows.begin().await.unwrap();
        let count = world.guard().count_login(&mut *tx, guesser, &limits, relief, START).await.unwrap();
        tx.commit().await.unwrap();
        count
    }

    const BOUGHT: RatePolicy = RatePolicy { name: "bought", limit: 2, window: Duration::from_secs(30), per: "test" };

    #[tokio::test]
    async fn a_captcha_buys_guesses_out_of_a_second_budget_once_the_first_is_spent() {
        let (world, user) = (World::default(), user_id(1));
        for guesser in [Guesser::Account(user), Guesser::Nobody(LoginName::parse("eve"))] {
            for (relief, last) in [(CaptchaRelief::Offered, false), (CaptchaRelief::Solved, true)] {
                let count = guess(&world, &guesser, relief).await;
                assert!(matches!(count, LoginCount::Counted { is_last, .. } if is_last == last), "{count:?}");
            }
            let spent = LoginCount::Limited { again_at: START.plus(POLICY.interval()) };
            assert_eq!(guess(&world, &guesser, CaptchaRelief::None).await, spent);
            for _ in 0..5 {
                assert_eq!(guess(&world, &guesser, CaptchaRelief::Offered).await, LoginCount::CaptchaNeeded);
            }
            let LoginCount::Counted { ticket, is_last: false } = guess(&world, &guesser, CaptchaRelief::Solved).await
            else {
                panic!("asking costs nothing, and a captcha buys a guess");
            };
            let mut tx = world.rows.begin().await.unwrap();
            world.guard().release(&mut *tx, &ticket).await.unwrap();
            tx.commit().await.unwrap();
            for last in [false, true] {
                let count = guess(&world, &guesser, CaptchaRelief::Solved).await;
                assert!(matches!(count, LoginCount::Counted { is_last, .. } if is_last == last), "{count:?}");
            }
            let spent = LoginCount::Limited { again_at: START.plus(BOUGHT.interval()) };
            for relief in [CaptchaRelief::Offered, CaptchaRelief::Solved] {
                assert_eq!(guess(&world, &guesser, relief).await, spent, "and no captcha helps any more");
            }
        }
    }

    #[tokio::test]
    async fn a_known_device_is_never_asked_for_a_captcha() {
        let world = World::default();
        let guesser = Guesser::KnownDevice(user_id(1), world.guard().device_hash("one"));
        for _ in 0..POLICY.limit {
            assert!(matches!(guess(&world, &guesser, CaptchaRelief::Offered).await, LoginCount::Counted { .. }));
        }
        let spent = LoginCount::Limited { again_at: START.plus(POLICY.interval()) };
        for relief in [CaptchaRelief::Offered, CaptchaRelief::Solved] {
            assert_eq!(guess(&world, &guesser, relief).await, spent);
        }
    }

    #[test]
    fn spellings_of_a_name_share_a_budget_and_no_name_is_readable_in_it() {
        let guard = World::default().guard();
        let ticket = guard.name(POLICY, &LoginName::parse("Nobody@Example.com"));
        assert_eq!(ticket, guard.name(POLICY, &LoginName::parse(" nobody@example.COM ")));
        assert!(!format!("{ticket:?}").contains("nobody"));
    }
}
