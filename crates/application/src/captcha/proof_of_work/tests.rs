use keystead_domain::token::KeyId;

use super::*;
use crate::captcha::HashingLoad;
use crate::ports::MockCeremonyStore;
use crate::testing::{CountingEntropy, FakeCeremonies, FakeKeyedHash, FakeRateLimiter, FixedClock, START};

/// Few enough for tests.
const BASE: u8 = 6;

struct Deployment {
    clock: Arc<FixedClock>,
    tools: ProofOfWorkTools,
}

impl Deployment {
    fn with_hash(hash: FakeKeyedHash) -> Self {
        let clock = Arc::new(FixedClock::default());
        let tools = ProofOfWorkTools {
            hash: Arc::new(hash),
            ceremonies: Arc::new(FakeCeremonies::new()),
            limiter: Arc::new(FakeRateLimiter::new()),
            clock: clock.clone(),
            entropy: Arc::new(CountingEntropy::default()),
            load: Arc::new(HashingLoad::default),
        };
        Self { clock, tools }
    }

    fn new() -> Self {
        Self::with_hash(FakeKeyedHash::new())
    }

    fn replica(&self) -> ProofOfWork {
        ProofOfWork::new(self.tools.clone(), BASE)
    }

    /// The first solution at or after a nonce.
    fn solve(&self, challenge: &str, difficulty: u8, from: u32) -> String {
        let solutions = (from..).map(|nonce| format!("{challenge}.{nonce}"));
        let is_solved = |text: &String| has_zero_bits(&self.tools.hash.digest(text.as_bytes()), difficulty);
        solutions.into_iter().find(is_solved).unwrap()
    }

    async fn solved(&self, action: CaptchaAction) -> String {
        let challenge = self.replica().challenge(action).await.unwrap();
        self.solve(&challenge.text, challenge.difficulty, 0)
    }

    async fn verify(&self, action: CaptchaAction, solution: &str) -> Result<(), CaptchaError> {
        self.replica().verify(action, &SecretString::new(solution.to_owned()), None).await
    }
}

#[tokio::test]
async fn a_solution_counts_once_whatever_nonce_it_has_and_wherever_it_is_shown() {
    let deployment = Deployment::new();
    let challenge = deployment.replica().challenge(CaptchaAction::Register).await.unwrap();
    assert_eq!((challenge.difficulty, challenge.expires_at), (BASE, START.plus(limits::CAPTCHA_LIFE)));
    let one = deployment.solve(&challenge.text, BASE, 0);
    let other = deployment.solve(&challenge.text, BASE, 10_000);
    assert_ne!(one, other);
    assert_eq!(deployment.verify(CaptchaAction::Register, &one).await, Ok(()));
    for used in [&one, &other] {
        assert_eq!(deployment.verify(CaptchaAction::Register, used).await, Err(CaptchaError::Refused));
    }
}

#[tokio::test]
async fn of_many_at_once_one_is_accepted() {
    let deployment = Deployment::new();
    let solution = deployment.solved(CaptchaAction::Forgot).await;
    let tries = (0..64).map(|_| {
        let (replica, solution) = (deployment.replica(), SecretString::new(solution.clone()));
        tokio::spawn(async move { replica.verify(CaptchaAction::Forgot, &solution, None).await })
    });
    let mut accepted = 0;
    for task in tries.collect::<Vec<_>>() {
        accepted += u32::from(task.await.unwrap().is_ok());
    }
    assert_eq!(accepted, 1);
}

#[tokio::test]
async fn a_solution_of_one_action_is_none_of_another() {
    let deployment = Deployment::new();
    for action in CaptchaAction::ALL {
        let solution = deployment.solved(action).await;
        for other in CaptchaAction::ALL.into_iter().filter(|other| *other != action) {
            assert_eq!(deployment.verify(other, &solution).await, Err(CaptchaError::Refused), "{action:?} {other:?}");
        }
        assert_eq!(deployment.verify(action, &solution).await, Ok(()));
    }
}

#[tokio::test]
async fn a_solution_counts_for_five_minutes_and_stays_used_when_clocks_step_back() {
    let deployment = Deployment::new();
    let late = deployment.solved(CaptchaAction::Login).await;
    deployment.clock.advance(limits::CAPTCHA_LIFE);
    assert_eq!(deployment.verify(CaptchaAction::Login, &late).await, Err(CaptchaError::Refused));

    let used = deployment.solved(CaptchaAction::Login).await;
    deployment.clock.advance(limits::CAPTCHA_LIFE.saturating_sub(Duration::from_micros(1)));
    assert_eq!(deployment.verify(CaptchaAction::Login, &used).await, Ok(()));
    deployment.clock.advance(Duration::from_secs(30));
    let _ = deployment.solved(CaptchaAction::Login).await;
    deployment.clock.set(deployment.tools.clock.now().minus(Duration::from_secs(40)));
    assert_eq!(deployment.verify(CaptchaAction::Login, &used).await, Err(CaptchaError::Refused));
}

#[tokio::test]
async fn a_challenge_from_the_future_is_of_no_clock_that_is_trusted() {
    let deployment = Deployment::new();
    let (near, far) = (deployment.solved(CaptchaAction::Login).await, deployment.solved(CaptchaAction::Login).await);
    deployment.clock.set(START.minus(limits::LEEWAY));
    assert_eq!(deployment.verify(CaptchaAction::Login, &near).await, Ok(()));
    deployment.clock.set(START.minus(limits::LEEWAY).minus(Duration::from_micros(1)));
    assert_eq!(deployment.verify(CaptchaAction::Login, &far).await, Err(CaptchaError::Refused));
}

#[tokio::test]
async fn every_byte_of_a_challenge_is_covered() {
    let deployment = Deployment::new();
    let challenge = deployment.replica().challenge(CaptchaAction::Register).await.unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(&challenge.text).unwrap();
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        // Also the difficulty, made less: this is what the mac is for.
        changed[index] ^= 2;
        let text = URL_SAFE_NO_PAD.encode(&changed);
        let solution = deployment.solve(&text, BASE, 0);
        assert_eq!(deployment.verify(CaptchaAction::Register, &solution).await, Err(CaptchaError::Refused), "{index}");
    }
    for length in 0..bytes.len() {
        let solution = deployment.solve(&URL_SAFE_NO_PAD.encode(&bytes[..length]), BASE, 0);
        assert_eq!(deployment.verify(CaptchaAction::Register, &solution).await, Err(CaptchaError::Refused));
    }
}

#[tokio::test]
async fn challenges_of_another_deployment_and_of_keys_that_are_gone_are_refused() {
    let (deployment, other) = (Deployment::new(), Deployment::with_hash(FakeKeyedHash::with_keys(["other"])));
    let foreign = other.solved(CaptchaAction::Register).await;
    assert_eq!(deployment.verify(CaptchaAction::Register, &foreign).await, Err(CaptchaError::Refused));
    let challenge = deployment.replica().challenge(CaptchaAction::Register).await.unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(&challenge.text).unwrap();
    bytes.truncate(HEAD + MAC);
    assert_eq!(KeyId::parse(""), None);
    let keyless = deployment.solve(&URL_SAFE_NO_PAD.encode(&bytes), BASE, 0);
    assert_eq!(deployment.verify(CaptchaAction::Register, &keyless).await, Err(CaptchaError::Refused));
}

#[tokio::test]
async fn what_is_no_solution_is_refused_and_marks_nothing() {
    let mut deployment = Deployment::new();
    let solution = deployment.solved(CaptchaAction::Register).await;
    // Whoever did not do the work does not reach the store.
    deployment.tools.ceremonies = Arc::new(MockCeremonyStore::new());
    let (text, nonce) = solution.split_once('.').unwrap();
    let undone = (0_u32..).map(|n| format!("{text}.{n}"));
    let undone = undone.into_iter().find(|s| !has_zero_bits(&deployment.tools.hash.digest(s.as_bytes()), BASE));
    let garbage = [
        undone.unwrap(),
        String::new(),
        ".".to_owned(),
        text.to_owned(),
        format!("{text}."),
        format!(".{nonce}"),
        format!("{text}={nonce}"),
        format!("{text}.{nonce}.{nonce}"),
        format!("{text}=.{nonce}"),
        format!(" {text}.{nonce}"),
        format!("{text}.{nonce}\n"),
        format!("{text}.{}", "9".repeat(65)),
        format!("{text}.ü"),
        "A".repeat(4096),
        format!("{}.1", "A".repeat(4000)),
        "\u{0}.\u{0}".to_owned(),
    ];
    for solution in garbage {
        let refused = deployment.verify(CaptchaAction::Register, &solution).await;
        assert_eq!(refused, Err(CaptchaError::Refused), "{solution:?}");
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_accepts_nothing() {
    let mut deployment = Deployment::new();
    let solution = deployment.solved(CaptchaAction::Register).await;
    let mut down = MockCeremonyStore::new();
    down.expect_insert().times(1).returning(|_, _, _, _| Err(EphemeralError("down".into())));
    deployment.tools.ceremonies = Arc::new(down);
    let lost = deployment.verify(CaptchaAction::Register, &solution).await;
    assert!(matches!(lost, Err(CaptchaError::Unavailable(_))), "{lost:?}");
}

#[tokio::test]
async fn many_challenges_and_waiting_passwords_make_the_next_ones_dearer() {
    let mut deployment = Deployment::new();
    let mut last = 0;
    for _ in 0..240 {
        last = deployment.replica().challenge(CaptchaAction::Register).await.unwrap().difficulty;
    }
    assert_eq!(last, BASE + 1);
    deployment.clock.advance(Duration::from_secs(60));
    assert_eq!(deployment.replica().challenge(CaptchaAction::Register).await.unwrap().difficulty, BASE);
    deployment.tools.load = Arc::new(|| HashingLoad { queued: 64, room: 64 });
    assert_eq!(deployment.replica().challenge(CaptchaAction::Register).await.unwrap().difficulty, BASE + 4);
}
