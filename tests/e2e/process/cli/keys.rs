//! `keystead key …`: keys change while the service runs, and nobody notices. In this process, because it needs a clock
//! that can be moved; the commands are processes of their own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwk::JwkSet;
use serde_json::Value;
use tokio::sync::RwLock;
use tokio::task::JoinSet;

use crate::keys::{check, published};
use crate::support::{PASSWORD, Service, SignedIn, eventually, refusal};

/// People who use the service while its keys change.
const BUSY: usize = 4;

fn key(service: &Service, verb: &str, rest: &[&str]) -> Vec<Value> {
    let listed = service.command(&["key", verb], &[rest, &["--json"]].concat()).ok();
    listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn kids(keys: &JwkSet) -> BTreeSet<String> {
    keys.keys().iter().map(|key| key.key_id().unwrap().to_owned()).collect()
}

fn signed_by(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

/// What every replica publishes, once it is alike and as wanted.
async fn published_everywhere(service: &Service, wanted: impl Fn(&BTreeSet<String>) -> bool) -> JwkSet {
    let wanted = &wanted;
    let ask = || async move {
        let mut sets = Vec::new();
        for replica in service.api().each() {
            sets.push(published(&replica).await);
        }
        sets.iter().all(|set| wanted(&kids(set))).then(|| sets.remove(0))
    };
    eventually("the key sets of all replicas", ask).await
}

/// Somebody who refreshes, and shows the new token to the service and to a program that has nothing but the key set it
/// once fetched, until told to stop. Any refusal fails the test.
async fn use_it(mut who: SignedIn, outside: Arc<RwLock<JwkSet>>, stop: Arc<AtomicBool>, rounds: Arc<AtomicUsize>) {
    while !stop.load(Ordering::SeqCst) {
        // While the clocks are moved, nobody is on the way: replicas whose clocks differ by minutes are not promised.
        let keys = outside.read().await;
        who = who.refresh().await.unwrap();
        who.verify().await.unwrap();
        check(&keys, &who.access).unwrap();
        rounds.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g19_keys_rotate_under_load_and_nobody_notices() {
    let service = Service::start().await;
    let ada = service.registered("ada@example.com").await;
    let old = published_everywhere(&service, |kids| kids.len() == 1).await;
    assert_eq!(kids(&old), BTreeSet::from([signed_by(&ada.access)]));
    let listed = key(&service, "list", &[]);
    let uses: BTreeSet<&str> = listed.iter().map(|key| key["use"].as_str().unwrap()).collect();
    assert_eq!((listed.len(), uses.len()), (6, 6), "{listed:?}");
    assert!(listed.iter().all(|key| key["state"] == "active" && key["retiresAt"].is_null()), "{listed:?}");

    let outside = Arc::new(RwLock::new(old.clone()));
    let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut busy = JoinSet::new();
    for nth in 0..BUSY {
        let who = service.registered(&format!("busy{nth}@example.com")).await;
        busy.spawn(use_it(who, Arc::clone(&outside), Arc::clone(&stop), Arc::clone(&rounds)));
    }
    let some_rounds = async || {
        let enough = rounds.load(Ordering::SeqCst) + 10 * BUSY;
        eventually("some rounds", || async { (rounds.load(Ordering::SeqCst) >= enough).then_some(()) }).await;
    };
    let advance = async |seconds: u64| {
        let _nobody_on_the_way = outside.write().await;
        service.advance(std::time::Duration::from_secs(seconds)).await;
        service.ready().await;
    };
    some_rounds().await;

    let made = key(&service, "rotate", &["--use", "all"]);
    let rotated: BTreeSet<String> = made.iter().map(|key| key["id"].as_str().unwrap().to_owned()).collect();
    let both = published_everywhere(&service, |kids| kids.len() == 2).await;
    let new = kids(&both).difference(&kids(&old)).next().unwrap().clone();
    assert!(kids(&both).is_superset(&kids(&old)) && rotated.contains(&new), "{both:?} {rotated:?}");
    *outside.write().await = both;

    // Published, not yet used; a minute later the other way round.
    let before = service.native().login("ada@example.com", PASSWORD).await.unwrap();
    assert!(kids(&old).contains(&signed_by(&before.access)));
    some_rounds().await;
    advance(61).await;
    let after = service.native().login("ada@example.com", PASSWORD).await.unwrap();
    assert_eq!(signed_by(&after.access), new);
    for who in [&ada, &before, &after] {
        who.verify().await.unwrap();
        // Refresh tokens of the old key, too.
        who.refresh().await.unwrap();
    }
    some_rounds().await;
    assert_eq!(key(&service, "list", &[]).len(), 12);

    // One life of an access token after the change the old key is gone.
    advance(20 * 60 + 15).await;
    published_everywhere(&service, |kids| *kids == BTreeSet::from([new.clone()])).await;
    some_rounds().await;
    stop.store(true, Ordering::SeqCst);
    busy.join_all().await;
    assert_eq!(ada.refused().await, refusal(401, "TOKEN_INVALID"));
    let shown = rounds.load(Ordering::SeqCst);
    crate::support::report(&format!("g19: {shown} tokens made, used and checked by an outside library, none refused"));
}
