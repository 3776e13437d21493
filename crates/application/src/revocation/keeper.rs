use std::sync::Arc;

use keystead_domain::{Timestamp, limits};

use super::RevocationView;
use crate::ports::{Clock, Store, StoreError};

/// Reads the revocation log into the view. One per process; the transport's worker calls [`Self::poll`] every
/// [`limits::REVOCATION_POLL`].
///
/// Each reading goes back over the last ten seconds, because a row may become visible later than its time says. Once a
/// minute the whole last hour is read again: a commit that waited longer (for a standby that was away) was not acknowledged
/// to anybody, and counts from then on.
pub struct RevocationKeeper {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    view: Arc<RevocationView>,
    newest: Option<Timestamp>,
    /// When the whole window was last read.
    whole_at: Option<Timestamp>,
}

impl RevocationKeeper {
    /// A keeper that has read nothing yet: its first reading is the whole last hour.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, view: Arc<RevocationView>) -> Self {
        Self { store, clock, view, newest: None, whole_at: None }
    }

    /// The next reading is the whole last hour again.
    pub fn start_over(&mut self) {
        self.whole_at = None;
    }

    /// Reads what is new and confirms the view. On an error the view stays unconfirmed, and requests ask the store.
    pub async fn poll(&mut self) -> Result<(), StoreError> {
        // The time is read before the log: what commits in between is confirmed by the next reading, not by this one.
        let now = self.clock.now();
        // A clock that stepped back behind the last whole reading asks for another.
        let is_late = |at: Timestamp| now.since(at) >= limits::REVOCATION_REREAD || now < at;
        let is_whole = self.whole_at.is_none_or(is_late);
        let since = match self.newest {
            Some(newest) if !is_whole => newest.minus(limits::REVOCATION_OVERLAP),
            _ => now.minus(limits::REVOCATION_WINDOW),
        };
        let rows = self.store.read().await?.revocations().since(since).await?;
        self.view.apply(&rows);
        if is_whole {
            self.whole_at = Some(now);
        }
        self.newest = rows.iter().map(|row| row.at).chain(self.newest).max().or(Some(since));
        self.view.confirm(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use keystead_domain::token::{Revocation, RevocationTarget};

    use super::*;
    use crate::test_world::{World, down};
    use crate::testing::{START, after, session_id};

    fn ended(session: &str, at: Timestamp) -> Revocation {
        Revocation { target: RevocationTarget::Session(session_id(session)), at }
    }

    fn keeper(world: &World) -> RevocationKeeper {
        RevocationKeeper::new(world.store.clone(), world.clock.clone(), world.view.clone())
    }

    fn log(world: &World, row: Revocation) {
        world.rows.prepare(|state| state.revocations.0.push(row));
    }

    #[tokio::test]
    async fn the_first_reading_is_the_whole_last_hour() {
        let world = World::default();
        log(&world, ended("too-old", START.minus(limits::REVOCATION_WINDOW)));
        log(&world, ended("old", START.minus(limits::REVOCATION_WINDOW).plus(Duration::from_micros(1))));
        keeper(&world).poll().await.unwrap();
        assert!(world.view.is_session_revoked(&session_id("old")) && world.view.is_confirmed(START));
        assert!(!world.view.is_session_revoked(&session_id("too-old")));
    }

    #[tokio::test]
    async fn a_row_that_becomes_visible_late_is_still_read() {
        let world = World::default();
        let mut keeper = keeper(&world);
        log(&world, ended("first", START));
        keeper.poll().await.unwrap();
        log(&world, ended("late", START.minus(limits::REVOCATION_OVERLAP).plus(Duration::from_micros(1))));
        world.clock.advance(limits::REVOCATION_POLL);
        keeper.poll().await.unwrap();
        assert!(world.view.is_session_revoked(&session_id("late")));
    }

    #[tokio::test]
    async fn starting_over_reads_what_was_passed_over() {
        let world = World::default();
        let mut keeper = keeper(&world);
        log(&world, ended("first", START));
        keeper.poll().await.unwrap();
        log(&world, ended("far-behind", START.minus(limits::REVOCATION_OVERLAP)));
        keeper.poll().await.unwrap();
        assert!(!world.view.is_session_revoked(&session_id("far-behind")));
        keeper.start_over();
        keeper.poll().await.unwrap();
        assert!(world.view.is_session_revoked(&session_id("far-behind")));
    }

    #[tokio::test]
    async fn a_commit_that_waited_for_minutes_is_read_within_the_next() {
        let world = World::default();
        let mut keeper = keeper(&world);
        log(&world, ended("first", START));
        keeper.poll().await.unwrap();
        log(&world, ended("waited", START.minus(limits::REVOCATION_OVERLAP)));
        world.clock.set(START.plus(limits::REVOCATION_REREAD).minus(Duration::from_micros(1)));
        keeper.poll().await.unwrap();
        assert!(!world.view.is_session_revoked(&session_id("waited")));
        world.clock.advance(Duration::from_micros(1));
        keeper.poll().await.unwrap();
        assert!(world.view.is_session_revoked(&session_id("waited")));
    }

    #[tokio::test]
    async fn a_failed_reading_confirms_nothing_and_the_next_one_misses_nothing() {
        let world = World::default();
        let mut keeper = keeper(&world);
        keeper.poll().await.unwrap();
        world.clock.set(after(2));
        log(&world, ended("meanwhile", after(1)));
        world.rows.set_refusal(Some(down()));
        assert_eq!(keeper.poll().await, Err(down()));
        assert!(!world.view.is_confirmed(after(2)));
        world.rows.set_refusal(None);
        keeper.poll().await.unwrap();
        assert!(world.view.is_confirmed(after(2)) && world.view.is_session_revoked(&session_id("meanwhile")));
    }
}
