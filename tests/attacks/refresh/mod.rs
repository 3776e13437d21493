//! R01 to R09: refresh tokens that were copied, raced for, guessed, or kept for too long.

mod ended;
mod family;
mod guesses;
mod lost;

use crate::attacks::support::Digest;
use crate::support::{Refusal, Service, SignedIn, refusal};

fn reused() -> Refusal {
    refusal(401, "REFRESH_REUSED")
}

fn mismatch() -> Refusal {
    refusal(401, "FINGERPRINT_MISMATCH")
}

/// The session is over for every token of it, on every replica, and stays so whatever is tried again. Its owner was told
/// once, and the log says so once.
async fn assert_ended_once(service: &Service, email: &str, tokens: &[&SignedIn], since: &Digest, event: &str) {
    for token in tokens {
        assert_eq!(token.refused_within_a_second().await, refusal(401, "TOKEN_REVOKED"));
    }
    let ended = Digest::of(service).await;
    for token in tokens {
        for replica in service.api().each() {
            let there = token.through(&replica);
            assert_eq!(there.refresh().await.unwrap_err().status, 401);
            assert_eq!(there.verify().await.unwrap_err(), refusal(401, "TOKEN_REVOKED"));
        }
    }
    ended.is_still_that_of_but_for(service, &[]).await;
    assert_eq!(ended.audited_since(since), [(event.to_owned(), 1)].into());
    assert_eq!(service.mails_about(email, "We ended a session", 1).await.len(), 1);
}
