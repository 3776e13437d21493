use std::sync::Arc;
use std::time::Duration;

use keystead_domain::{SecretBytes, Timestamp, limits};

use super::attempt::Attempt;
use super::hex::hex;
use crate::failure::Failure;
use crate::ports::{CeremonyKey, CeremonyKind, CeremonyStore, Clock, Entropy, KeyedHash, MacPurpose, Sealer};

/// How long one attempt keeps others away. One that takes longer, or whose process died, is followed by another with the
/// same seed; the database then decides which of them counts.
const UNDER_WAY: Duration = Duration::from_secs(30);
/// First byte of a record that was not answered; the seed of the request's attempts follows, sealed.
const BEGUN: u8 = 0;
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
    /// Nobody was answered, and nobody serves it now: serve it as this attempt, then [`Idempotency::keep`],
    /// [`Idempotency::release`] or [`Idempotency::forget`].
    Serve(Attempt),
    /// It was answered: this is the answer.
    Answered(SecretBytes),
    /// It is being served.
    UnderWay,
    /// The key was used with another body.
    OtherBody,
}

/// Serves a repeated request once. Answers may hold tokens, so they are kept sealed under a key that also depends on the
/// client's key: neither a dump nor the server's key alone opens them.
///
/// A request has a record and, while it is served, a lock:
///
/// ```text
/// no record ── claim ──> begun, locked ── answered ──> answered (replayed until it lapses)
///      ^                   │   ^    └── failed, or its process died ──> begun ──┐
///      └──── refused ──────┘   └────────── claim: another attempt, same seed ───┘
/// ```
/// A failure may be a commit whose answer was lost. So the record stays, and the next attempt finds out ([`Attempt`]).
pub struct Idempotency {
    ceremonies: Arc<dyn CeremonyStore>,
    hash: Arc<dyn KeyedHash>,
    sealer: Arc<dyn Sealer>,
    entropy: Arc<dyn Entropy>,
    clock: Arc<dyn Clock>,
}

impl Idempotency {
    /// The service.
    pub fn new(
        ceremonies: Arc<dyn CeremonyStore>,
        hash: Arc<dyn KeyedHash>,
        sealer: Arc<dyn Sealer>,
        entropy: Arc<dyn Entropy>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { ceremonies, hash, sealer, entropy, clock }
    }

    /// Claims a request: of any number of parallel ones exactly one is to be served.
    pub async fn claim(&self, request: &IdempotentRequest<'_>) -> Result<Claim, Failure> {
        let now = self.clock.now();
        let (key, lock) = (self.record(request), self.lock(request));
        let body = self.body_tag(request, &key);
        let is_free = self.ceremonies.insert(&lock, &[], now, now.plus(UNDER_WAY)).await?;
        let claim = if is_free { self.begin(request, &key, &body, now).await } else { Ok(None) };
        let claim = match claim {
            Ok(None) => self.look(request, &key, &body, is_free, now).await,
            Ok(Some(attempt)) => Ok(Claim::Serve(attempt)),
            Err(failure) => Err(failure),
        };
        if is_free && !matches!(claim, Ok(Claim::Serve(_))) {
            self.ceremonies.take(&lock, now).await?;
        }
        claim
    }

    /// Begins a record, unless there is one.
    async fn begin(
        &self,
        request: &IdempotentRequest<'_>,
        key: &CeremonyKey,
        body: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Attempt>, Failure> {
        let mut seed = vec![0; Attempt::SEED];
        self.entropy.fill(&mut seed);
        let record = self.write(request, key, BEGUN, body, &seed);
        let is_new = self.ceremonies.insert(key, &record, now, now.plus(limits::IDEMPOTENCY_LIFE)).await?;
        Ok(is_new.then(|| Attempt::new(seed.into())))
    }

    /// What the record says. `may_serve`: this caller holds the lock.
    async fn look(
        &self,
        request: &IdempotentRequest<'_>,
        key: &CeremonyKey,
        body: &[u8; 32],
        may_serve: bool,
        now: Timestamp,
    ) -> Result<Claim, Failure> {
        let Some(found) = self.ceremonies.find(key, now).await? else {
            // It lapsed between the two looks, or is about to be written; the client tries again.
            return Ok(Claim::UnderWay);
        };
        let (state, rest) = found.expose().split_first().unwrap_or((&BEGUN, &[]));
        let Some(sealed) = rest.strip_prefix(body) else { return Ok(Claim::OtherBody) };
        if *state != ANSWERED && !may_serve {
            return Ok(Claim::UnderWay);
        }
        let opened = self.sealer.open_for(request.key.as_bytes(), &context(*state, body, key), sealed);
        let opened = opened.map_err(|error| Failure::Internal(error.to_string()))?;
        Ok(if *state == ANSWERED { Claim::Answered(opened) } else { Claim::Serve(Attempt::new(opened)) })
    }

    /// Keeps the answer of a claimed request for `life`.
    pub async fn keep(&self, request: &IdempotentRequest<'_>, answer: &[u8], life: Duration) -> Result<(), Failure> {
        let now = self.clock.now();
        let key = self.record(request);
        let record = self.write(request, &key, ANSWERED, &self.body_tag(request, &key), answer);
        self.ceremonies.overwrite(&key, &record, now, now.plus(life)).await?;
        self.release(request).await
    }

    /// The claimed request failed, and may have been carried out: a repeat is another attempt at it.
    pub async fn release(&self, request: &IdempotentRequest<'_>) -> Result<(), Failure> {
        self.ceremonies.take(&self.lock(request), self.clock.now()).await?;
        Ok(())
    }

    /// The claimed request was refused, and changed nothing: a repeat is served anew.
    pub async fn forget(&self, request: &IdempotentRequest<'_>) -> Result<(), Failure> {
        self.ceremonies.take(&self.record(request), self.clock.now()).await?;
        self.release(request).await
    }

    /// A record: its state, the body's tag, and what is sealed for whoever shows the client's key.
    fn write(
        &self,
        request: &IdempotentRequest<'_>,
        key: &CeremonyKey,
        state: u8,
        body: &[u8; 32],
        secret: &[u8],
    ) -> Vec<u8> {
        let sealed = self.sealer.seal_for(request.key.as_bytes(), &context(state, body, key), secret);
        [&[state], body.as_slice(), &sealed].concat()
    }

    /// What tells this body from others. Keyed: a body holds an address and a password, and a bare hash of it in a dump
    /// would let them be guessed without the work a password hash costs.
    fn body_tag(&self, request: &IdempotentRequest<'_>, key: &CeremonyKey) -> [u8; 32] {
        self.hash.mac(MacPurpose::Idempotency, &[b"body", key.id.as_bytes(), request.body]).bytes
    }

    /// Where the lock of a request is.
    fn lock(&self, request: &IdempotentRequest<'_>) -> CeremonyKey {
        let CeremonyKey { kind, id } = self.record(request);
        CeremonyKey { kind, id: id + "-lock" }
    }

    /// Where the record of a request is: a keyed hash, so that a dump holds no key of a client.
    fn record(&self, request: &IdempotentRequest<'_>) -> CeremonyKey {
        let parts = [request.route.as_bytes(), request.principal.as_bytes(), request.key.as_bytes()];
        let tag = self.hash.mac(MacPurpose::Idempotency, &parts);
        CeremonyKey { kind: CeremonyKind::Idempotency, id: hex(&tag.bytes) }
    }
}

/// What the sealed part of a record belongs to. All of the record, not its name alone: an answer is known to its client,
/// and whoever can write to the store must not make it the seed of codes that go to somebody else.
fn context(state: u8, body: &[u8; 32], key: &CeremonyKey) -> Vec<u8> {
    [&[state], body.as_slice(), key.id.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{CountingEntropy, FakeCeremonies, FakeKeyedHash, FakeSealer, FixedClock};

    fn service(clock: Arc<FixedClock>) -> Idempotency {
        Idempotency::new(
            Arc::new(FakeCeremonies::default()),
            Arc::new(FakeKeyedHash::default()),
            Arc::new(FakeSealer),
            Arc::new(CountingEntropy::default()),
            clock,
        )
    }

    const REQUEST: IdempotentRequest<'static> =
        IdempotentRequest { route: "POST /x", principal: "192.0.2.1", key: "k-1", body: b"{}" };

    async fn begun(idempotency: &Idempotency, request: &IdempotentRequest<'_>) -> Attempt {
        match idempotency.claim(request).await.unwrap() {
            Claim::Serve(attempt) => attempt,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_repeat_gets_the_first_answer_and_another_body_is_refused() {
        let clock = Arc::new(FixedClock::default());
        let idempotency = service(Arc::clone(&clock));
        let first = begun(&idempotency, &REQUEST).await;
        assert!(matches!(idempotency.claim(&REQUEST).await.unwrap(), Claim::UnderWay));
        let other = IdempotentRequest { body: b"{ }", ..REQUEST };
        assert!(matches!(idempotency.claim(&other).await.unwrap(), Claim::OtherBody));
        idempotency.keep(&REQUEST, b"201 tokens", Duration::from_secs(300)).await.unwrap();
        for _ in 0..2 {
            let Claim::Answered(answer) = idempotency.claim(&REQUEST).await.unwrap() else { panic!("not answered") };
            assert_eq!(answer.expose(), b"201 tokens");
            assert!(matches!(idempotency.claim(&other).await.unwrap(), Claim::OtherBody));
        }
        clock.advance(Duration::from_secs(300));
        assert_ne!(begun(&idempotency, &REQUEST).await, first, "a record that lapsed is forgotten");
    }

    #[tokio::test]
    async fn keys_of_others_and_of_other_routes_do_not_meet() {
        let idempotency = service(Arc::default());
        begun(&idempotency, &REQUEST).await;
        for request in [
            IdempotentRequest { principal: "192.0.2.2", ..REQUEST },
            IdempotentRequest { route: "POST /y", ..REQUEST },
            IdempotentRequest { key: "k-2", ..REQUEST },
        ] {
            begun(&idempotency, &request).await;
        }
    }

    #[tokio::test]
    async fn a_refused_request_is_forgotten_and_a_failed_one_goes_on_with_its_seed() {
        let idempotency = service(Arc::default());
        let first = begun(&idempotency, &REQUEST).await;
        idempotency.forget(&REQUEST).await.unwrap();
        let second = begun(&idempotency, &REQUEST).await;
        assert_ne!(first, second);
        idempotency.release(&REQUEST).await.unwrap();
        assert_eq!(begun(&idempotency, &REQUEST).await, second);
        let other = IdempotentRequest { body: b"{ }", ..REQUEST };
        idempotency.release(&REQUEST).await.unwrap();
        assert!(matches!(idempotency.claim(&other).await.unwrap(), Claim::OtherBody));
        assert_eq!(begun(&idempotency, &REQUEST).await, second, "who is turned away locks nobody out");
    }

    #[tokio::test]
    async fn a_request_whose_process_died_is_attempted_again_after_a_while() {
        let clock = Arc::new(FixedClock::default());
        let idempotency = service(Arc::clone(&clock));
        let first = begun(&idempotency, &REQUEST).await;
        clock.advance(UNDER_WAY.checked_sub(Duration::from_micros(1)).unwrap());
        assert!(matches!(idempotency.claim(&REQUEST).await.unwrap(), Claim::UnderWay));
        clock.advance(Duration::from_micros(1));
        assert_eq!(begun(&idempotency, &REQUEST).await, first);
    }

    /// The one record in the store, written anew by `change`.
    async fn tamper(idempotency: &Idempotency, request: &IdempotentRequest<'_>, change: impl Fn(&[u8]) -> Vec<u8>) {
        let (key, now) = (idempotency.record(request), idempotency.clock.now());
        let record = idempotency.ceremonies.find(&key, now).await.unwrap().unwrap();
        let end = now.plus(Duration::from_secs(300));
        assert!(idempotency.ceremonies.overwrite(&key, &change(record.expose()), now, end).await.unwrap());
    }

    #[tokio::test]
    async fn no_answer_becomes_a_seed_and_no_record_another_body_s() {
        let other = IdempotentRequest { body: b"{ }", ..REQUEST };
        let others_tag = |idempotency: &Idempotency| idempotency.body_tag(&other, &idempotency.record(&other));
        for (request, is_answered, state, swaps_body) in [
            (REQUEST, true, BEGUN, false),
            (REQUEST, false, ANSWERED, false),
            (other, true, BEGUN, true),
            (other, true, ANSWERED, true),
            (other, false, BEGUN, true),
        ] {
            let idempotency = service(Arc::default());
            begun(&idempotency, &REQUEST).await;
            if is_answered {
                idempotency.keep(&REQUEST, b"an answer its client knows", Duration::from_secs(300)).await.unwrap();
            } else {
                idempotency.release(&REQUEST).await.unwrap();
            }
            let tag = others_tag(&idempotency);
            tamper(&idempotency, &REQUEST, |record| {
                let (kept, sealed) = record.split_at(33);
                let body = if swaps_body { tag.as_slice() } else { &kept[1..] };
                [&[state], body, sealed].concat()
            })
            .await;
            let claim = idempotency.claim(&request).await;
            assert!(matches!(claim, Err(Failure::Internal(_))), "{claim:?}");
        }
    }

    #[tokio::test]
    async fn no_record_tells_a_body_to_who_has_no_server_key() {
        let idempotency = service(Arc::default());
        begun(&idempotency, &REQUEST).await;
        let bare = idempotency.hash.digest(REQUEST.body);
        tamper(&idempotency, &REQUEST, |record| {
            assert!(!record.windows(bare.len()).any(|window| window == bare), "a hash anybody can compute");
            record.to_vec()
        })
        .await;
    }
}
