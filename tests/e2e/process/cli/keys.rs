//! `keystead key …`: keys change while the service runs, and nobody notices.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::process::api::{Api, PASSWORD, eventually};
use crate::process::keystead::{Keystead, command, finish};

/// Keys are re-read every 5 s.
const READ_AGAIN: Duration = Duration::from_secs(7);

fn key(directory: &Path, arguments: &[&str]) -> Vec<Value> {
    let mut command = command(directory, &["key"]);
    command.args(arguments).args(["--json", "--data-dir", "keystead-dev"]);
    finish(command, "").ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn published(api: &Api) -> BTreeSet<String> {
    let set = api.get("/.well-known/jwks.json").await.expect(200).json();
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn signed_by(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn g19_a_new_key_is_published_before_it_signs_and_the_old_one_verifies_on() {
    let home = tempfile::tempdir().unwrap();
    let service = Keystead::dev(home.path(), &["--limits", "off"]);
    let api = Api::new(service.url());
    let ada = api.sign_up("ada@example.com").await;
    let old = published(&api).await;
    assert_eq!(old, BTreeSet::from([signed_by(&ada.access)]));

    let listed = key(home.path(), &["list"]);
    let uses: BTreeSet<&str> = listed.iter().map(|key| key["use"].as_str().unwrap()).collect();
    assert_eq!((listed.len(), uses.len()), (3, 3), "{listed:?}");
    assert!(listed.iter().all(|key| key["state"] == "active" && key["retiresAt"].is_null()), "{listed:?}");

    let made = key(home.path(), &["rotate", "--use", "all"]);
    let rotated: BTreeSet<String> = made.iter().map(|key| key["id"].as_str().unwrap().to_owned()).collect();
    let both = eventually(READ_AGAIN, "the new key in the key set", async || {
        let keys = published(&api).await;
        (keys.len() == 2).then_some(keys)
    })
    .await;
    let new = both.difference(&old).next().unwrap().clone();
    assert!(both.is_superset(&old) && rotated.contains(&new), "{both:?} {rotated:?}");

    // Published, not yet used; a minute later the other way round.
    let before = api.signed_in("ada@example.com", PASSWORD).await;
    assert!(old.contains(&signed_by(&before.access)));
    api.advance(61).await;
    let after = api.signed_in("ada@example.com", PASSWORD).await;
    assert_eq!(signed_by(&after.access), new);
    for who in [&ada, &before, &after] {
        api.send_as(who, "POST", "/api/v1/auth/token/verify", None).await.expect(200);
        // Refresh tokens of the old key, too.
        api.refresh(who, &who.refresh).await.expect(200);
    }
    let states: Vec<Value> = key(home.path(), &["list"]);
    assert_eq!(states.len(), 6, "{states:?}");

    // One life of an access token after the change the old key is gone.
    api.advance(20 * 60 + 15).await;
    eventually(READ_AGAIN, "the end of the old key", async || {
        (published(&api).await == BTreeSet::from([new.clone()])).then_some(())
    })
    .await;
    assert_eq!(api.send_as(&ada, "GET", "/api/v1/users/me", None).await.expect(401).code(), "TOKEN_INVALID");
}
