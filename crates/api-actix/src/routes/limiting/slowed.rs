//! Answers that are being slowed down.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use keystead_domain::limits::SLOWED_AT_ONCE;

/// Answers of one client that are slowed down at the same time by one process; beyond, its requests are refused at once.
/// Twenty clients, not one, take all of [`SLOWED_AT_ONCE`].
pub const SLOWED_PER_CLIENT: usize = 50;

/// The places of answers that wait: [`SLOWED_PER_CLIENT`] of each client, [`SLOWED_AT_ONCE`] in all.
#[derive(Default)]
pub(super) struct Slowed(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    all: usize,
    /// Clients that have none are not in here.
    by_client: HashMap<String, usize>,
}

impl Slowed {
    /// A place for an answer to this client; `None` when there is none for it.
    pub(super) fn take(&self, client: String) -> Option<Place<'_>> {
        let mut taken = self.lock();
        let own = taken.by_client.get(&client).copied().unwrap_or_default();
        if own >= SLOWED_PER_CLIENT || taken.all >= SLOWED_AT_ONCE {
            return None;
        }
        taken.all += 1;
        taken.by_client.insert(client.clone(), own + 1);
        metrics::gauge!("keystead_slowed_down").increment(1.0);
        Some(Place { slowed: self, client })
    }

    fn give_back(&self, client: &str) {
        let mut taken = self.lock();
        taken.all = taken.all.saturating_sub(1);
        match taken.by_client.get_mut(client) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(taken.by_client.remove(client)),
        }
        metrics::gauge!("keystead_slowed_down").decrement(1.0);
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Nothing between two changes panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place, while an answer waits in it.
pub(super) struct Place<'s> {
    slowed: &'s Slowed,
    client: String,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.slowed.give_back(&self.client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_takes_its_own_places_and_no_more() {
        let slowed = Slowed::default();
        let mut flood: Vec<_> = (0..SLOWED_AT_ONCE).filter_map(|_| slowed.take("flood".to_owned())).collect();
        assert_eq!(flood.len(), SLOWED_PER_CLIENT);
        let other = slowed.take("other".to_owned());
        assert!(other.is_some(), "there is room for others");
        flood.pop();
        assert!(slowed.take("flood".to_owned()).is_some(), "its place is free again");
    }

    #[test]
    fn there_are_so_many_in_all_and_nobody_is_remembered_who_has_none() {
        let slowed = Slowed::default();
        let clients = || (0..2 * SLOWED_AT_ONCE).map(|n| (n / SLOWED_PER_CLIENT).to_string());
        let all: Vec<_> = clients().filter_map(|client| slowed.take(client)).collect();
        assert_eq!(all.len(), SLOWED_AT_ONCE);
        assert!(slowed.take("one more".to_owned()).is_none());
        drop(all);
        assert!(slowed.lock().by_client.is_empty());
        assert_eq!(clients().filter_map(|client| slowed.take(client)).map(std::mem::forget).count(), SLOWED_AT_ONCE);
    }
}
