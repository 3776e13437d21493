//! C01: no way around a captcha: every route that asks for one asks alike, and the routes beside it do.

use serde_json::{Value, json};

use super::{solved, start};
use crate::attacks::support::{Digest, assert_refused};
use crate::srp::actors::{credential, with};
use crate::support::PASSWORD;

const EVE: &str = "eve@example.com";

/// What a solution is for, where it is asked for, and what else goes there.
fn asking() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("register", "/auth/register", json!({ "email": EVE, "password": PASSWORD })),
        ("register", "/auth/register", json!({ "phone": "+442079460923", "password": PASSWORD })),
        ("register", "/auth/srp/register", with(credential(PASSWORD), json!({ "email": EVE }))),
        ("forgot", "/auth/password/forgot", json!({ "identity": EVE })),
        ("forgot", "/auth/password/forgot", json!({ "identity": "ada@example.com" })),
        ("srp-challenge", "/auth/srp/challenge", json!({ "identity": EVE })),
    ]
}

#[tokio::test]
async fn c01_no_captcha_or_one_of_another_action_changes_nothing_by_any_route() {
    let service = start().await;
    let (native, browser) = (service.native(), service.browser());
    let solution = solved(&native, "register").await;
    let wish = json!({ "email": "ada@example.com", "password": PASSWORD, "captcha": solution });
    let half_way = native.register_with(&wish).await.unwrap();
    half_way.verify(&service.code("ada@example.com").await).await.unwrap();
    let before = Digest::of(&service).await;
    let hashes = service.hashes();
    for (action, route, body) in asking() {
        for client in [&native, &browser] {
            for absent in [body.clone(), with(body.clone(), json!({ "captcha": null }))] {
                assert_refused(route, &client.post(route, &absent).await, 422, "CAPTCHA_REQUIRED");
            }
            for other in ["register", "forgot", "srp-challenge", "login"].into_iter().filter(|other| *other != action) {
                let solution = solved(client, other).await;
                let reply = client.post(route, &with(body.clone(), json!({ "captcha": solution }))).await;
                assert_refused(&format!("{other} at {route}"), &reply, 422, "CAPTCHA_INVALID");
            }
            for wrong in ["", "wrong", ".", "AAAA.1"] {
                let reply = client.post(route, &with(body.clone(), json!({ "captcha": wrong }))).await;
                assert_refused(&format!("{wrong:?} at {route}"), &reply, 422, "CAPTCHA_INVALID");
            }
        }
    }
    assert_eq!(service.hashes(), hashes, "nothing is hashed for whoever solved nothing");
    before.is_still_that_of(&service).await;
    // The solution of another action was not used up by being refused.
    let solution = solved(&native, "forgot").await;
    for (action, route, body) in asking() {
        let reply = native.post(route, &with(body, json!({ "captcha": solution }))).await;
        if action == "forgot" {
            reply.ok(202).unwrap();
            break;
        }
        assert_refused(route, &reply, 422, "CAPTCHA_INVALID");
    }
}
