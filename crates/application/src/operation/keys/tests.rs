use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::ports::MockKeyRing;
use crate::test_world::{World, down};
use crate::testing::{MockStore, START, a_key, key_id};

/// A ring that keeps what it was given, and counts what it made. `broken`: keys are sealed by another master key.
#[derive(Default)]
struct Ring {
    loaded: Mutex<Vec<StoredKey>>,
    made: AtomicUsize,
    broken: bool,
}

impl Ring {
    fn loaded(&self) -> Vec<StoredKey> {
        self.loaded.lock().unwrap().clone()
    }
}

impl KeyRing for Ring {
    fn generate(&self, key_use: KeyUse, now: Timestamp, active_from: Timestamp) -> Result<StoredKey, SealError> {
        let number = self.made.fetch_add(1, Ordering::SeqCst);
        let id = key_id(&format!("{}-{number}", key_use.as_str().replace('_', "-")));
        Ok(StoredKey { id, key_use, created_at: now, active_from, ..a_key("x") })
    }

    fn serves(&self, key_use: KeyUse) -> bool {
        self.loaded().iter().any(|key| key.key_use == key_use)
    }

    fn load(&self, keys: &[StoredKey]) -> Result<(), SealError> {
        if self.broken {
            return Err(SealError);
        }
        *self.loaded.lock().unwrap() = keys.to_vec();
        Ok(())
    }
}

fn keeper(world: &World, ring: &Arc<Ring>) -> KeyKeeper {
    let lives = (limits::ACCESS_TOKEN_LIFE, limits::SESSION_LIFE);
    KeyKeeper::new(world.store.clone(), ring.clone(), world.clock.clone(), lives.0, lives.1)
}

#[tokio::test]
async fn the_first_start_makes_a_key_of_each_use_that_signs_at_once() {
    let (world, ring) = (World::default(), Arc::new(Ring::default()));
    keeper(&world, &ring).ensure().await.unwrap();
    let keys = world.rows.state().keys.0;
    assert_eq!(keys.iter().map(|key| key.key_use).collect::<Vec<_>>(), KeyUse::ALL);
    assert!(keys.iter().all(|key| key.active_from == START && key.retires_at.is_none()));
    assert_eq!(ring.loaded(), keys);
}

#[tokio::test]
async fn a_later_start_and_another_replica_make_nothing() {
    let (world, ring) = (World::default(), Arc::new(Ring::default()));
    keeper(&world, &ring).ensure().await.unwrap();
    let other = Arc::new(Ring::default());
    keeper(&world, &other).ensure().await.unwrap();
    assert_eq!((other.made.load(Ordering::SeqCst), other.loaded()), (0, ring.loaded()));
}

#[tokio::test]
async fn only_what_is_missing_is_made() {
    let (world, ring) = (World::default(), Arc::new(Ring::default()));
    world.rows.prepare(|state| state.keys.0.push(a_key("present")));
    keeper(&world, &ring).ensure().await.unwrap();
    let uses: Vec<KeyUse> = world.rows.state().keys.0.iter().map(|key| key.key_use).collect();
    assert_eq!(uses, KeyUse::ALL);
}

#[tokio::test]
async fn a_rotation_publishes_first_and_lets_older_keys_verify_for_one_life() {
    let (world, ring) = (World::default(), Arc::new(Ring::default()));
    let keeper = keeper(&world, &ring);
    keeper.ensure().await.unwrap();
    let made = keeper.rotate(&KeyUse::ALL).await.unwrap();
    let starts = START.plus(limits::KEY_PREPUBLISH);
    assert!(made.iter().all(|key| key.active_from == starts && key.created_at == START));
    let older: Vec<Option<Timestamp>> =
        world.rows.state().keys.0[..KeyUse::ALL.len()].iter().map(|key| key.retires_at).collect();
    let ends = [
        limits::ACCESS_TOKEN_LIFE,
        limits::RESET_GRANT_LIFE,
        limits::STEP_UP_LIFE,
        limits::SESSION_LIFE,
        limits::SEAL_KEY_LIFE,
        limits::AUDIT_KEY_LIFE,
    ];
    assert_eq!(older, ends.map(|life| Some(starts.plus(life + limits::LEEWAY * 2))));
    assert_eq!(world.events(), [AuditEventName::KeyRotated]);

    let active = |overview: &[KeyOverview]| -> Vec<bool> { overview.iter().map(|key| key.active).collect() };
    let before = keeper.list().await.unwrap();
    assert_eq!(active(&before), [[true; KeyUse::ALL.len()], [false; KeyUse::ALL.len()]].concat());
    assert!(before.iter().all(|key| key.key.sealed.is_empty()), "no secret leaves");
    world.clock.set(starts);
    assert_eq!(active(&keeper.list().await.unwrap()), [[false; KeyUse::ALL.len()], [true; KeyUse::ALL.len()]].concat());
    world.clock.set(starts.plus(limits::SESSION_LIFE + limits::LEEWAY * 2));
    let left: Vec<KeyUse> = keeper.list().await.unwrap().iter().map(|key| key.key.key_use).collect();
    assert_eq!(
        left,
        [&[KeyUse::Seal, KeyUse::Audit][..], &KeyUse::ALL].concat(),
        "the older ones are gone, but what opens seals"
    );
}

#[tokio::test]
async fn reading_again_serves_what_is_stored_now() {
    let (world, ring) = (World::default(), Arc::new(Ring::default()));
    let keeper = keeper(&world, &ring);
    keeper.ensure().await.unwrap();
    world.rows.prepare(|state| state.keys.0.push(a_key("from-another-replica")));
    keeper.reload().await.unwrap();
    assert_eq!(ring.loaded().len(), KeyUse::ALL.len() + 1);
}

#[tokio::test]
async fn another_master_key_and_a_store_that_is_down_are_told_apart() {
    let world = World::default();
    world.rows.prepare(|state| state.keys.0.push(a_key("present")));
    let ring = Arc::new(Ring { broken: true, ..Ring::default() });
    let refused = keeper(&world, &ring).ensure().await;
    assert!(matches!(&refused, Err(Failure::Internal(text)) if text.contains("master key")), "{refused:?}");
    assert_eq!(world.rows.state().keys.0.len(), 1, "no new keys beside ones that cannot be opened");
    world.rows.set_refusal(Some(down()));
    let refused = keeper(&world, &ring).reload().await;
    assert!(matches!(refused, Err(Failure::Unavailable(_))), "{refused:?}");
}

#[tokio::test]
async fn a_lost_commit_serves_no_new_key() {
    let mut ring = MockKeyRing::new();
    ring.expect_load().times(2).withf(<[StoredKey]>::is_empty).returning(|_| Ok(()));
    ring.expect_serves().returning(|_| false);
    ring.expect_generate().times(KeyUse::ALL.len()).returning(|_, _, _| Ok(a_key("new")));
    let mut reading = crate::testing::MockTx::new();
    reading.keys.expect_list().times(1).returning(|_| Ok(Vec::new()));
    let mut making = crate::testing::MockTx::new().failing(down());
    making.keys.expect_lock().times(1).returning(|| Ok(()));
    let mut first = true;
    making.keys.expect_list().times(2).returning(move |_| {
        let keys = if std::mem::take(&mut first) { Vec::new() } else { vec![a_key("new")] };
        Ok(keys)
    });
    making.keys.expect_insert().times(KeyUse::ALL.len()).returning(|_, _| Ok(()));
    let store = MockStore::with_all([reading, making]);
    let clock = Arc::new(crate::testing::FixedClock::default());
    let keeper = KeyKeeper::new(store, Arc::new(ring), clock, limits::ACCESS_TOKEN_LIFE, limits::SESSION_LIFE);
    let lost = keeper.ensure().await;
    assert!(matches!(lost, Err(Failure::Unavailable(_))), "{lost:?}");
}
