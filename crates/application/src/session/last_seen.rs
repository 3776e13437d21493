use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use keystead_domain::Timestamp;
use keystead_domain::token::{AccessClaims, SessionId};

/// Sessions remembered between two writings; more are simply not noted until the next.
const MOST: usize = if cfg!(test) { 100 } else { 100_000 };

/// When sessions were last seen, collected in memory and written in the background: the hot path writes nothing.
#[derive(Debug, Default)]
pub struct LastSeen {
    seen: RwLock<HashMap<SessionId, Timestamp>>,
}

impl LastSeen {
    /// A request of a session was let in. Only the first since the last [`Self::drain`] takes a lock others wait for.
    pub fn note(&self, claims: &AccessClaims, now: Timestamp) {
        let session = claims.token_id.session();
        if self.seen.read().unwrap_or_else(PoisonError::into_inner).contains_key(&session) {
            return;
        }
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < MOST {
            seen.insert(session, now);
        }
    }

    /// Takes what was collected.
    pub fn drain(&self) -> Vec<(SessionId, Timestamp)> {
        std::mem::take(&mut *self.seen.write().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{START, access_claims, after};

    #[test]
    fn a_session_is_noted_once_between_two_writings() {
        let seen = LastSeen::default();
        let claims = access_claims();
        seen.note(&claims, START);
        seen.note(&claims, after(1));
        assert_eq!(seen.drain(), [(claims.session(), START)]);
        assert_eq!(seen.drain(), []);
        seen.note(&claims, after(60));
        assert_eq!(seen.drain(), [(claims.session(), after(60))]);
    }

    #[test]
    fn memory_is_bounded() {
        let seen = LastSeen::default();
        for n in 0..MOST + 10 {
            let token_id = crate::testing::token_id(&format!("session-{n}.token"));
            seen.note(&AccessClaims { token_id, ..access_claims() }, START);
        }
        assert_eq!(seen.drain().len(), MOST);
    }
}
