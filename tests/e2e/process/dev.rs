//! `keystead dev`: needs nothing, keeps everything, stays on this machine.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use super::api::{Api, PASSWORD};
use super::keystead::{Keystead, command, finish};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn dev_needs_nothing_and_keeps_everything() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("keystead-dev");
    let service = Keystead::dev(home.path(), &[]);
    let api = Api::new(service.url());
    api.get("/health/live").await.expect(200);
    assert!(service.stdout().starts_with("keystead listening on http://127.0.0.1:"), "{}", service.stdout());
    assert_eq!((mode(&data), mode(&data.join("master.key"))), (0o700, 0o600));
    for entry in std::fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path) & 0o077, 0, "{} is open to others", path.display());
    }

    let ada = api.sign_up("ada@example.com").await;
    let keys = api.get("/.well-known/jwks.json").await.expect(200).json();
    service.kill();

    let service = Keystead::dev(home.path(), &[]);
    let api = Api::new(service.url());
    assert_eq!(api.get("/.well-known/jwks.json").await.expect(200).json(), keys);
    // The refresh token of the session from before works; the access token was issued by another URL.
    api.refresh(&ada, &ada.refresh).await.expect(200);
    api.signed_in("ada@example.com", PASSWORD).await;
}

#[test]
fn dev_refuses_other_machines_before_it_makes_anything() {
    let home = tempfile::tempdir().unwrap();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8787"] {
        let refused = finish(command(home.path(), &["dev", "--listen", address]), "");
        refused.refused(78, &["http.listen", "keystead dev", address, "fix: "]);
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn a_taken_port_is_told_with_what_to_do() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let service = Keystead::dev(first.path(), &[]);
    let refused = finish(command(second.path(), &["dev", "--listen", service.address()]), "");
    refused.refused(1, &["in use", service.address(), "fix: ", "--listen 127.0.0.1:0"]);
}

#[tokio::test]
async fn limits_hold_unless_they_are_off() {
    let home = tempfile::tempdir().unwrap();
    let limited = Keystead::dev(home.path(), &["--data-dir", "limited"]);
    let unlimited = Keystead::dev(home.path(), &["--data-dir", "unlimited", "--limits", "off"]);
    let (limited, unlimited) = (Api::new(limited.url()), Api::new(unlimited.url()));
    for n in 0..5 {
        limited.register(&format!("user{n}@example.com")).await.expect(201);
    }
    let refused = limited.register("user6@example.com").await.expect(429);
    assert_eq!(refused.code(), "RATE_LIMITED");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=1800).contains(&wait), "{wait}");
    for n in 0..7 {
        let answer = unlimited.register(&format!("user{n}@example.com")).await.expect(201);
        assert_eq!(answer.json().pointer("/data/attributes/state").and_then(Value::as_str), Some("pre_authorized"));
        assert_eq!(answer.header("ratelimit"), "");
    }
}
