use std::sync::Arc;
use std::time::Duration;

use keystead_domain::SecretBytes;

use crate::failure::Failure;
use crate::ports::{CeremonyKey, CeremonyKind, CeremonyStore, Clock, KeyedHash, MacPurpose, Sealer};

/// How long a request may be under way before its record lapses: longer than any request is served.
const UNDER_WAY: Duration = Duration::from_secs(120);
/// First byte of a record whose request is under way.
const PENDING: u8 = 0;
/// First byte of a record that was answered.
const ANSWERED: u8 = 1;

/// A request with an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header).
#[derive(Clone, Copy, Debug)]
pub struct IdempotentRequest<'a> {
    /// Method and route.
    pub route: &'a str,
    /// Who asks: a token, or the client address of somebody anonymous.
    pub principal: &'a str,
    /// The header's value.
    pub key: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// What is known of a request when it comes in.
#[derive(Debug)]
pub enum Claim {
    /// It is the first: serve it, then [`Idempotency::keep`] or [`Idempotency::forget`].
    First,
    /// It was answered: this is the answer.
    Answered(SecretBytes),
    /// It is being served.
    UnderWay,
    /// The key was used with another body.
    OtherBody,
}

/// Serves a repeated request once. Answers may hold tokens, so they are kept sealed under a key that also depends on the
/// client's key: neither a dump nor the server's key alone opens them.
pub struct Idempotency {
    ceremonies: Arc<dyn CeremonyStore>,
    hash: Arc<dyn KeyedHash>,
    sealer: Arc<dyn Sealer>,
    clock: Arc<dyn Clock>,
}

impl Idempotency {
    /// The service.
    pub fn new(
        ceremonies: Arc<dyn CeremonyStore>,
        hash: Arc<dyn KeyedHash>,
        sealer: Arc<dyn Sealer>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { ceremonies, hash, sealer, clock }
    }

    /// Claims a request: of any number of parallel ones exactly one is `First`.
    pub async fn claim(&self, request: &IdempotentRequest<'_>) -> Result<Claim, Failure> {
        let now = self.clock.now();
        let key = self.record(request);
        let body = self.hash.digest(request.body);
        let pending = [&[PENDING], body.as_slice()].concat();
        if self.ceremonies.insert(&key, &pending, now, now.plus(UNDER_WAY)).await? {
            return Ok(Claim::First);
        }
        let Some(found) = self.ceremonies.find(&key, now).await? else {
            // It lapsed between the two looks; the client tries again.
            return Ok(Claim::UnderWay);
        };
        Ok(match found.expose().split_first() {
            Some((_, rest)) if !rest.starts_with(&body) => Claim::OtherBody,
            Some((&ANSWERED, rest)) => {
                let sealed = rest.get(body.len()..).unwrap_or_default();
                let opened = self.sealer.open_for(request.key.as_bytes(), key.id.as_bytes(), sealed);
                Claim::Answered(opened.map_err(|error| Failure::Internal(error.to_string()))?)
            }
            _ => Claim::UnderWay,
        })
    }

    /// Keeps the answer of a claimed request for `life`.
    pub async fn keep(&self, request: &IdempotentRequest<'_>, answer: &[u8], life: Duration) -> Result<(), Failure> {
        let now = self.clock.now();
        let key = self.record(request);
        let sealed = self.sealer.seal_for(request.key.as_bytes(), key.id.as_bytes(), answer);
        let record = [&[ANSWERED], self.hash.digest(request.body).as_slice(), &sealed].concat();
        self.ceremonies.overwrite(&key, &record, now, now.plus(life)).await?;
        Ok(())
    }

    /// The claimed request failed: a repeat is served anew.
    pub async fn forget(&self, request: &IdempotentRequest<'_>) -> Result<(), Failure> {
        self.ceremonies.take(&self.record(request), self.clock.now()).await?;
        Ok(())
    }

    /// Where the record of a request is: a keyed hash, so that a dump holds no key of a client.
    fn record(&self, request: &IdempotentRequest<'_>) -> CeremonyKey {
        let parts = [request.route.as_bytes(), request.principal.as_bytes(), request.key.as_bytes()];
        let tag = self.hash.mac(MacPurpose::Idempotency, &parts);
        let id = tag.bytes.iter().fold(String::with_capacity(64), |id, byte| id + &format!("{byte:02x}"));
        CeremonyKey { kind: CeremonyKind::Idempotency, id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeCeremonies, FakeKeyedHash, FakeSealer, FixedClock};

    fn service(clock: Arc<FixedClock>) -> Idempotency {
        Idempotency::new(
            Arc::new(FakeCeremonies::default()),
            Arc::new(FakeKeyedHash::default()),
            Arc::new(FakeSealer),
            clock,
        )
    }

    const REQUEST: IdempotentRequest<'static> =
        IdempotentRequest { route: "POST /x", principal: "192.0.2.1", key: "k-1", body: b"{}" };

    #[tokio::test]
    async fn a_repeat_gets_the_first_answer_and_another_body_is_refused() {
        let clock = Arc::new(FixedClock::default());
        let idempotency = service(Arc::clone(&clock));
        assert!(matches!(idempotency.claim(&REQUEST).await.unwrap(), Claim::First));
        assert!(matches!(idempotency.claim(&REQUEST).await.unwrap(), Claim::UnderWay));
        idempotency.keep(&REQUEST, b"201 tokens", Duration::from_secs(300)).await.unwrap();
        let Claim::Answered(answer) = idempotency.claim(&REQUEST).await.unwrap() else { panic!("not answered") };
        assert_eq!(answer.expose(), b"201 tokens");
        let other = IdempotentRequest { body: b"{ }", ..REQUEST };
        assert!(matches!(idempotency.claim(&other).await.unwrap(), Claim::OtherBody));
        clock.advance(Duration::from_secs(300));
        assert!(matches!(idempotency.claim(&REQUEST).await.unwrap(), Claim::First));
    }

    #[tokio::test]
    async fn keys_of_others_and_of_other_routes_do_not_meet() {
        let idempotency = service(Arc::default());
        idempotency.claim(&REQUEST).await.unwrap();
        for request in [
            IdempotentRequest { principal: "192.0.2.2", ..REQUEST },
            IdempotentRequest { route: "POST /y", ..REQUEST },
            IdempotentRequest { key: "k-2", ..REQUEST },
        ] {
            assert!(matches!(idempotency.claim(&request).await.unwrap(), Claim::First));
        }
    }

    #[tokio::test]
    async fn a_failed_request_may_be_tried_again() {
        let idempotency = service(Arc::default());
        idempotency.claim(&REQUEST).await.unwrap();
        idempotency.forget(&REQUEST).await.unwrap();
        assert!(matches!(idempotency.claim(&REQUEST).await.unwrap(), Claim::First));
    }
}
