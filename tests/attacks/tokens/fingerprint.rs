//! J14: an access token without the client id it was issued to.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystead_domain::account::Role;
use reqwest::Method;

use super::ROUTES;
use crate::attacks::support::{Digest, assert_refused};
use crate::support::{Call, Kind, PASSWORD, Service, SignedIn};

const COOKIE: &str = "keystead-client";

/// A request with somebody's token and proof, and with nothing else of theirs.
fn stolen(of: &SignedIn, method: &Method, route: &str) -> Call {
    let call = of.client.call(method.clone(), route).bearer(&of.access);
    match &of.proof {
        Some(proof) => call.header("otp-authorization", &format!("Bearer {proof}")),
        None => call,
    }
}

#[tokio::test]
async fn j14_a_token_without_its_client_id_is_worth_nothing() {
    let service = Service::start().await;
    let bob = service.registered("bob@example.com").await;
    for kind in [Kind::Native, Kind::Browser] {
        let email = format!("{kind:?}@example.com").to_lowercase();
        let (boss, program) = service.administrator_at(&service.client(kind), &email, Role::SuperAdmin).await;
        let question = service.client(kind).login_asked(&email, PASSWORD).await.unwrap();
        let other = question.answer("totp", &service.fresh_code(&program).await).await.unwrap();
        let hash = boss.claims()["fgp"].as_str().unwrap().to_owned();
        let cut = boss.client_id[1..].to_owned();
        let encoded = URL_SAFE_NO_PAD.encode(&boss.client_id);
        let ids = [
            ("of another person", bob.client_id.as_str()),
            ("of another session", &other.client_id),
            ("half-way", &question.client_id),
            ("the hash that is in the token", &hash),
            ("cut", &cut),
            ("encoded", &encoded),
            ("a letter", "x"),
            ("the token", &boss.access),
        ];
        let before = Digest::of(&service).await;
        for (method, route) in &ROUTES {
            let show = |id: &str| match kind {
                Kind::Native => stolen(&boss, method, route).header("keystead-client-id", id),
                Kind::Browser => stolen(&boss, method, route).cookie(COOKIE, id),
            };
            assert_refused("none", &stolen(&boss, method, route).send().await, 401, "FINGERPRINT_MISMATCH");
            for (attack, id) in ids {
                let reply = show(id).send().await;
                assert_refused(attack, &reply, 401, "FINGERPRINT_MISMATCH");
                assert!(reply.header("www-authenticate").unwrap().contains("invalid_token"), "{attack}");
            }
            // The right one and another one, in either order: whoever can plant a cookie plants a second one.
            let right = boss.client_id.as_str();
            for (first, second) in [(right, bob.client_id.as_str()), (bob.client_id.as_str(), right), (right, right)] {
                let call = match kind {
                    Kind::Native => show(first).header("keystead-client-id", second),
                    Kind::Browser => show(first).cookie(COOKIE, second),
                };
                assert_refused("two", &call.send().await, 400, "INVALID_HEADER");
            }
            // In the place of the other kind of client.
            let swapped = match kind {
                Kind::Native => stolen(&boss, method, route).cookie(COOKIE, right),
                Kind::Browser => stolen(&boss, method, route).header("keystead-client-id", right),
            };
            assert_refused("in another place", &swapped.send().await, 400, "CLIENT_KIND_MISMATCH");
            // A name of the mode over TLS, and one in other letters, are no cookies of ours here.
            if kind == Kind::Browser {
                for name in ["__Host-keystead-client", "Keystead-Client", "keystead-client-id"] {
                    let reply = stolen(&boss, method, route).cookie(name, right).send().await;
                    assert_refused(name, &reply, 401, "FINGERPRINT_MISMATCH");
                }
            }
        }
        before.is_still_that_of(&service).await;
        // Whoever only has the token cannot end the session of whoever has both (the precise rules of the API).
        for (method, route) in ROUTES {
            assert_eq!(boss.call(method, route).send().await.status, 200, "the owner goes on");
        }
        boss.refresh().await.unwrap();
    }
}
