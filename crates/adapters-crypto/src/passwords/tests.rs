use std::collections::HashSet;
use std::future::Future;
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};

use super::pool::Full;
use super::*;
use crate::OsEntropy;

/// Small enough to be quick, large enough to be real.
const CHEAP: Argon2Config = Argon2Config { memory_kib: 256, passes: 1, lanes: 1, permits: 2, queue: 64 };

fn hasher(config: Argon2Config) -> Argon2Hasher {
    Argon2Hasher::try_new(config, Arc::new(OsEntropy)).unwrap()
}

fn password(text: &str) -> Password {
    Password::for_verification(text).unwrap()
}

/// A job that has begun and waits to be told to end.
fn occupy(pool: &Pool) -> (mpsc::Sender<()>, tokio::sync::oneshot::Receiver<()>) {
    let (begun, has_begun) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let done = pool
        .submit(move |_| {
            begun.send(()).unwrap();
            let _ = may_go.recv();
        })
        .unwrap();
    has_begun.recv().unwrap();
    (go, done)
}

#[tokio::test]
async fn the_right_password_and_no_other_verifies() {
    let hasher = hasher(CHEAP);
    let hash = hasher.hash(&password("correct horse")).await.unwrap();
    assert!(hash.as_str().starts_with("$argon2id$v=19$m=256,t=1,p=1$"), "{}", hash.as_str());
    assert_eq!(hasher.verify(&password("correct horse"), &hash).await, Ok(true));
    for wrong in ["correct horse ", "Correct horse", "correct hors", ""] {
        assert_eq!(hasher.verify(&password(wrong), &hash).await, Ok(false), "{wrong:?}");
    }
    assert_eq!(hasher.total(), 6);
}

#[tokio::test]
async fn equal_passwords_have_different_hashes() {
    let (hasher, mut seen) = (hasher(CHEAP), HashSet::new());
    for _ in 0..50 {
        assert!(seen.insert(hasher.hash(&password("same")).await.unwrap().as_str().to_owned()));
    }
}

#[tokio::test]
async fn what_one_password_leaves_in_memory_changes_no_other_hash() {
    let one = hasher(Argon2Config { permits: 1, ..CHEAP });
    let hashes = [one.hash(&password("a")).await.unwrap(), one.hash(&password("b")).await.unwrap()];
    let fresh = hasher(CHEAP);
    for (text, hash) in ["a", "b"].iter().zip(&hashes) {
        assert_eq!(fresh.verify(&password(text), hash).await, Ok(true));
    }
}

#[tokio::test]
async fn a_dummy_check_costs_one_hash_with_the_current_parameters() {
    let hasher = hasher(CHEAP);
    assert_eq!(hasher.verify_dummy(&password("x")).await, Ok(()));
    assert_eq!(hasher.total(), 1);
    assert!(!hasher.needs_rehash(&hasher.dummy));
}

#[tokio::test]
async fn other_parameters_ask_for_a_new_hash() {
    let current = hasher(CHEAP);
    let hash = current.hash(&password("x")).await.unwrap();
    assert!(!current.needs_rehash(&hash));
    for other in [
        Argon2Config { memory_kib: 512, ..CHEAP },
        Argon2Config { passes: 2, ..CHEAP },
        Argon2Config { lanes: 2, ..CHEAP },
    ] {
        let other = hasher(other);
        assert!(other.needs_rehash(&hash));
        // It verifies all the same, the larger memory included.
        assert_eq!(other.verify(&password("x"), &hash).await, Ok(true));
        let theirs = other.hash(&password("x")).await.unwrap();
        assert_eq!(current.verify(&password("x"), &theirs).await, Ok(true));
    }
    let text = hash.as_str();
    for changed in [text.replace("argon2id", "argon2i"), text.replace("v=19", "v=16"), "nonsense".to_owned()] {
        assert!(current.needs_rehash(&PasswordHash::new(changed)));
    }
}

#[tokio::test]
async fn malformed_and_absurd_hashes_fail_without_a_hash() {
    let hasher = hasher(CHEAP);
    let with =
        |parameters| format!("$argon2id$v=19${parameters}$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc");
    for text in [String::new(), "x".to_owned(), with("m=262145,t=1,p=1"), with("m=209716,t=5,p=1")] {
        let failed = hasher.verify(&password("x"), &PasswordHash::new(text.clone())).await;
        assert_eq!(failed, Err(HashError::Failed), "{text}");
    }
    assert_eq!(hasher.total(), 0);
}

#[test]
fn impossible_configurations_are_refused() {
    for config in [
        Argon2Config { permits: 0, ..CHEAP },
        Argon2Config { memory_kib: 7, ..CHEAP },
        Argon2Config { passes: 0, ..CHEAP },
        Argon2Config { passes: 21, ..CHEAP },
        Argon2Config { lanes: 0, ..CHEAP },
        Argon2Config { lanes: 17, memory_kib: 4096, ..CHEAP },
        Argon2Config { memory_kib: 256 * 1024 + 1, ..CHEAP },
        Argon2Config { memory_kib: 256 * 1024, passes: 5, ..CHEAP },
    ] {
        assert!(Argon2Hasher::try_new(config, Arc::new(OsEntropy)).is_err(), "{config:?}");
    }
}

#[tokio::test]
async fn of_200_parallel_checks_a_permit_and_a_queue_of_four_take_five() {
    let hasher = Arc::new(hasher(Argon2Config { permits: 1, queue: 4, ..CHEAP }));
    let hash = hasher.hash(&password("x")).await.unwrap();
    let (go, done) = occupy(&hasher.pool);
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let (hasher, hash) = (Arc::clone(&hasher), hash.clone());
            tokio::spawn(async move { hasher.verify(&password("x"), &hash).await })
        })
        .collect();
    // The test runs on one thread: after this every call was either queued or refused.
    let mut answers = Vec::new();
    while calls.iter().filter(|call| call.is_finished()).count() < 196 {
        tokio::task::yield_now().await;
    }
    assert_eq!((hasher.running(), hasher.queued(), hasher.total()), (1, 4, 1));
    go.send(()).unwrap();
    done.await.unwrap();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    assert_eq!(answers.iter().filter(|answer| **answer == Ok(true)).count(), 4);
    let busy = |answer: &&Result<bool, HashError>| matches!(answer, Err(HashError::Busy { retry_after }) if *retry_after >= Duration::from_secs(1));
    assert_eq!(answers.iter().filter(busy).count(), 196);
    assert_eq!((hasher.running(), hasher.queued(), hasher.total()), (0, 0, 5));
    // Nothing was lost: as many fit again.
    assert_eq!(hasher.verify(&password("x"), &hash).await, Ok(true));
}

#[test]
fn the_wait_is_estimated_from_the_time_hashes_took() {
    let pool = Pool::try_new(1, 0, 0, IDLE).unwrap();
    let (go, _done) = occupy(&pool);
    assert_eq!(pool.submit(|_| ()).err(), Some(Full { retry_after: Duration::from_secs(1) }));
    go.send(()).unwrap();
}

#[tokio::test]
async fn a_caller_that_left_costs_no_hash_and_no_place() {
    let hasher = hasher(Argon2Config { permits: 1, queue: 2, ..CHEAP });
    let (go, done) = occupy(&hasher.pool);
    for _ in 0..10 {
        // Each is queued by its first poll, then dropped; without purging the third would find the queue full.
        let text = password("x");
        let mut call = pin!(hasher.verify_dummy(&text));
        assert!(matches!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
    }
    go.send(()).unwrap();
    done.await.unwrap();
    hasher.verify_dummy(&password("x")).await.unwrap();
    assert_eq!(hasher.total(), 1);
}

#[tokio::test]
async fn a_panic_loses_neither_thread_nor_permit() {
    let hasher = hasher(Argon2Config { permits: 1, queue: 1, ..CHEAP });
    for _ in 0..5 {
        let failed = hasher.run::<()>(&password("x"), |_, _| panic!("as if the hash function had a bug")).await;
        assert_eq!(failed, Err(HashError::Failed));
    }
    assert_eq!((hasher.running(), hasher.queued()), (0, 0));
    assert_eq!(hasher.verify_dummy(&password("x")).await, Ok(()));
}

#[tokio::test]
async fn dropping_the_pool_refuses_what_waits_and_ends_the_threads() {
    let pool = Pool::try_new(2, 4, 0, IDLE).unwrap();
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let kept = pool.submit(move |_| Arc::strong_count(&held)).unwrap();
    assert_eq!(kept.await, Ok(2));
    let (first, first_done) = occupy(&pool);
    let (second, second_done) = occupy(&pool);
    let held = Arc::clone(&alive);
    let waiting = pool.submit(move |_| drop(held)).unwrap();
    let dropping = std::thread::spawn(move || drop(pool));
    assert!(waiting.await.is_err(), "it never ran");
    assert_eq!(Arc::strong_count(&alive), 1, "its closure is gone");
    first.send(()).unwrap();
    second.send(()).unwrap();
    // Joins both workers.
    dropping.join().unwrap();
    assert_eq!((first_done.await, second_done.await), (Ok(()), Ok(())));
}

#[tokio::test]
async fn threads_have_names() {
    let pool = Pool::try_new(1, 0, 0, IDLE).unwrap();
    let name = pool.submit(|_| std::thread::current().name().map(str::to_owned)).unwrap();
    assert_eq!(name.await.unwrap().as_deref(), Some("argon2-1"));
}

#[tokio::test]
async fn an_idle_thread_gives_its_memory_back() {
    let pool = Pool::try_new(1, 0, 64, Duration::ZERO).unwrap();
    let used = pool.submit(|memory| memory.with(64, |_| ()).is_ok() && !memory.is_released()).unwrap();
    assert_eq!(used.await, Ok(true));
    // Whoever asks right after the hash may find the thread not idle yet; soon it was.
    while !pool.submit(|memory| memory.is_released()).unwrap().await.unwrap() {}
}

#[test]
fn kept_memory_is_bounded_reused_and_given_back() {
    let mut memory = Memory::new(64);
    assert!(memory.is_released());
    let address = |blocks: &mut [argon2::Block]| (blocks.as_ptr() as usize, blocks.len());
    let first = memory.with(64, address).unwrap();
    assert_eq!(memory.with(64, address).unwrap(), first);
    assert_eq!(memory.with(8, address).unwrap(), (first.0, 8));
    assert_eq!(memory.with(4096, address).unwrap().1, 4096);
    assert_eq!(memory.with(64, address).unwrap(), first);
    memory.release();
    assert!(memory.is_released());
}
