use std::sync::Arc;
use std::time::Duration;

use keystead_domain::{Timestamp, limits};

use crate::failure::Failure;
use crate::ports::{Clock, Store};
use crate::revocation::RevocationView;

/// Most batches of one round: what a larger backlog leaves is for the next.
const BATCHES: u32 = 500;

/// Deletes what has lapsed: claims, links, addresses never proved, budgets, failures, devices, logins of long ago,
/// revocations no living token can concern. Every rule works without it; it keeps stores small.
pub struct Housekeeping {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    view: Arc<RevocationView>,
    session_life: Duration,
    logins_kept: Duration,
}

impl Housekeeping {
    /// The use-case with its dependencies. A session lives `session_life` at most; logins are kept `logins_kept`.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        view: Arc<RevocationView>,
        session_life: Duration,
        logins_kept: Duration,
    ) -> Self {
        Self { store, clock, view, session_life, logins_kept }
    }

    /// Runs one round. Returns how many rows were deleted.
    pub async fn run(&self) -> Result<u64, Failure> {
        let now = self.clock.now();
        self.view.prune(now);
        let mut deleted = 0;
        for _ in 0..BATCHES {
            let batch = self.batch(now).await?;
            deleted += batch;
            if batch == 0 {
                break;
            }
        }
        Ok(deleted)
    }

    /// A bounded number of rows of each kind, in a transaction of their own: after a backlog others get their turn.
    async fn batch(&self, now: Timestamp) -> Result<u64, Failure> {
        let mut tx = self.store.begin().await?;
        let mut deleted = tx.registrations().delete_expired(now).await?;
        deleted += tx.link_tokens().delete_expired(now).await?;
        deleted += tx.contacts().delete_expired(now).await?;
        deleted += tx.guess_budgets().delete_expired(now).await?;
        deleted += tx.factor_failures().delete_expired(now).await?;
        deleted += tx.devices().delete_expired(now).await?;
        deleted += tx.login_history().delete_before(now.minus(self.logins_kept)).await?;
        // A session can be shown again until its life is over, and its end must then still be known to be announced.
        let oldest = now.minus(self.session_life + limits::REVOCATION_WINDOW);
        deleted += tx.revocations().delete_before(oldest).await?;
        tx.commit().await?;
        Ok(deleted)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use keystead_domain::factor::FactorFailures;
    use keystead_domain::token::{DeviceTokenHash, Revocation};

    use super::*;
    use crate::ports::BudgetKey;
    use crate::test_world::{World, down};
    use crate::testing::{START, a_link_token, a_pending_contact, a_registration, a_revocation, user_id};

    fn housekeeping(world: &World) -> Housekeeping {
        let (life, kept) = (limits::SESSION_LIFE, limits::LOGIN_HISTORY_KEPT);
        Housekeeping::new(world.store.clone(), world.clock.clone(), world.view.clone(), life, kept)
    }

    #[tokio::test]
    async fn what_lapsed_goes_and_what_lives_stays() {
        let world = World::default();
        let oldest = START.minus(limits::SESSION_LIFE + limits::REVOCATION_WINDOW);
        let gone = START.minus(Duration::from_secs(1));
        world.rows.prepare(|state| {
            let (mut lapsed, mut dead) = (a_registration(), a_link_token());
            (lapsed.expires_at, dead.expires_at) = (gone, gone);
            state.registrations.0 = vec![lapsed, a_registration()];
            state.link_tokens.0 = vec![dead, a_link_token()];
            let budgets = [("dead", gone), ("alive", START.plus(Duration::from_secs(1)))];
            let budgets = budgets.map(|(key, end)| (("test", BudgetKey(key.into())), (1, end)));
            state.guess_budgets.0 = budgets.into();
            let failures = [("dead", gone), ("alive", START.plus(Duration::from_secs(1)))];
            let failures = failures.map(|(key, end)| (BudgetKey(key.into()), (FactorFailures::default(), end)));
            state.factor_failures.0 = failures.into();
            let (alive, mut stale) = (a_pending_contact(), a_pending_contact());
            stale.expires_at = gone;
            state.contacts.pending = vec![stale, alive];
            let devices = [(1, gone), (2, START.plus(limits::DEVICE_LIFE))];
            state.devices.0 = devices.map(|(n, end)| ((user_id(n), DeviceTokenHash([0; 32])), end)).into();
            let at = oldest.minus(Duration::from_secs(1));
            state.revocations.0 = vec![Revocation { at, ..a_revocation() }, a_revocation()];
        });
        assert_eq!(housekeeping(&world).run().await, Ok(7));
        let state = world.rows.state();
        assert_eq!((state.registrations.0.len(), state.link_tokens.0.len(), state.contacts.pending.len()), (1, 1, 1));
        assert_eq!(state.factor_failures.0.keys().collect::<Vec<_>>(), [&BudgetKey("alive".into())]);
        assert_eq!((state.guess_budgets.0.len(), state.devices.0.len(), state.revocations.0.len()), (1, 1, 1));
        assert_eq!(housekeeping(&world).run().await, Ok(0));
    }

    #[tokio::test]
    async fn the_view_is_pruned_also_while_the_store_is_down() {
        let world = World::default();
        world.view.apply(&[Revocation { at: START.minus(limits::REVOCATION_WINDOW * 2), ..a_revocation() }]);
        world.rows.set_refusal(Some(down()));
        let refused = housekeeping(&world).run().await;
        assert!(matches!(refused, Err(Failure::Unavailable(_))), "{refused:?}");
        assert!(!world.view.is_session_revoked(&crate::testing::session_id("session-1")));
    }
}
