//! Our module in Node: from the registration to a login with a second factor.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::person::{PASSWORD, Scene};
use super::program::Program;
use crate::process::api::Person;
use crate::support::{Authenticator, STEP};

const EMAIL: &str = "ada@example.com";

/// The time step of one-time codes now.
fn step() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the service runs on the same clock")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).unwrap().as_secs() / STEP.as_secs()
}

/// Somebody's authenticator program, confirmed with the code of the step before this one.
async fn enrolled(scene: &Scene, who: &Person) -> Authenticator {
    let begun = scene.api().send_as(who, "POST", "/api/v1/totp", None).await.expect(200);
    let program = Authenticator::new(&begun.attribute("secret"));
    let code = json!({ "code": program.code(step() - 1) });
    scene.api().send_as(who, "POST", "/api/v1/totp/confirm", Some(&code)).await.expect(200);
    program
}

#[tokio::test]
async fn s01_a_password_that_never_left_node_signs_in() {
    let scene = Scene::start().await;
    let node = Program::node();
    let ada = scene.registered(&node, EMAIL).await;

    let login = |password: &str| json!([scene.options(json!({ "identity": EMAIL, "password": password }))]);
    let tokens = node.call("login", login(PASSWORD)).await.ok();
    assert_eq!(tokens["state"], "authorized", "{tokens}");
    assert_eq!(tokens.get("serverProof"), None, "{tokens}");
    let (access, client) = (tokens["accessToken"].as_str().unwrap(), tokens["clientId"].as_str().unwrap());
    let me = scene.api().send_with(access, client, "GET", "/api/v1/users/me", None).await.expect(200);
    assert_eq!(me.attribute("email"), EMAIL);
    scene.api().send_as(&ada, "GET", "/api/v1/users/me", None).await.expect(200);

    // Wrong passwords and names that nobody has are refused alike; the password is no password of the other kind.
    let wrong = node.call("login", login("correct horse battery 18")).await;
    assert_eq!(wrong.refused(), (401, "SRP_INVALID"));
    let nobody = scene.options(json!({ "identity": "nobody@example.com", "password": PASSWORD }));
    assert_eq!(node.call("login", json!([nobody])).await.refused(), (401, "SRP_INVALID"));
    assert_eq!(scene.api().login(EMAIL, PASSWORD).await.expect(401).code(), "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn g11_s05_a_second_factor_is_asked_for_after_the_proof() {
    let scene = Scene::start().await;
    let node = Program::node();
    let ada = scene.registered(&node, EMAIL).await;
    let authenticator = enrolled(&scene, &ada).await;

    let options = scene.options(json!({ "identity": EMAIL, "password": PASSWORD }));
    let asked = node.call("login", json!([options])).await.ok();
    assert_eq!((&asked["state"], asked.get("refreshToken")), (&json!("pre_authorized"), None), "{asked}");
    assert!(asked["tfaOptions"].as_array().unwrap().contains(&json!("totp")), "{asked}");
    let (token, client) = (asked["accessToken"].as_str().unwrap(), asked["clientId"].as_str().unwrap());
    scene.api().send_with(token, client, "GET", "/api/v1/users/me", None).await.expect(401);
    let answer = json!({ "method": "totp", "code": authenticator.code(step()) });
    let path = "/api/v1/auth/login/code";
    let done = scene.api().send_with(token, client, "POST", path, Some(&answer)).await.expect(200);
    let ada = Person::new(&done);
    scene.api().send_as(&ada, "GET", "/api/v1/users/me", None).await.expect(200);
}
