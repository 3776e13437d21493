//! P07: no way to a password that may not be chosen, and none to have a large one hashed. A password by SRP is never seen: the
//! client library looks at it, as its own tests show (`srp_clients::module`).

use keystead_domain::account::Role;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ADA, BOB, NEW, RESET, forgotten};
use crate::attacks::support::{Digest, assert_refused};
use crate::support::{HalfWay, PASSWORD, Reply, Service, SignedIn};

const CAROL: &str = "carol@example.com";
const DAVE: &str = "dave@example.com";

/// A way to set a password.
enum Way {
    Register,
    Change(SignedIn),
    Reset(HalfWay),
    Activate(String),
}

impl Way {
    /// Whose password it is.
    fn email(&self) -> &'static str {
        match self {
            Self::Register => ADA,
            Self::Change(_) => BOB,
            Self::Reset(_) => CAROL,
            Self::Activate(_) => DAVE,
        }
    }

    async fn set(&self, service: &Service, password: &str) -> Reply {
        let post = async |route: &str, body: Value| service.native().post(route, &body).await;
        match self {
            Self::Register => post("/auth/register", json!({ "email": ADA, "password": password })).await,
            Self::Activate(token) => post("/auth/activate", json!({ "token": token, "password": password })).await,
            Self::Reset(grant) => grant.post(RESET, &json!({ "newPassword": password })).await,
            Self::Change(who) => {
                let body = json!({ "currentPassword": PASSWORD, "newPassword": password });
                who.call(Method::PATCH, "/auth/password").json(&body).send().await
            }
        }
    }
}

async fn ways(service: &Service) -> [Way; 4] {
    let boss = service.administrator(Role::Admin).await;
    let created = boss.call(Method::POST, "/admin/users").json(&json!({ "email": DAVE })).send().await;
    created.ok(201).unwrap();
    let activation = service.link_tokens(DAVE, 1).await.remove(0);
    let bob = service.registered(BOB).await;
    service.registered(CAROL).await;
    let grant = service.native().begin_reset(&forgotten(service, CAROL).await).await.unwrap();
    [Way::Register, Way::Change(bob), Way::Reset(grant), Way::Activate(activation)]
}

#[tokio::test]
async fn p07_no_way_leads_around_the_rules_and_nothing_is_hashed_for_what_breaks_them() {
    let service = Service::start().await;
    let ways = ways(&service).await;
    let (before, hashes) = (Digest::of(&service).await, service.hashes());
    let long = |length: usize| -> String { "correct horse battery staple ".chars().cycle().take(length).collect() };
    for way in &ways {
        let email = way.email();
        let local = email.split_once('@').unwrap().0;
        for (password, status, code) in [
            (String::new(), 422, "PASSWORD_TOO_SHORT"),
            ("tidal-l".into(), 422, "PASSWORD_TOO_SHORT"),
            // Seven characters are seven, however many bytes.
            ("🔑🔑🔑🔑🔑🔑🔑".into(), 422, "PASSWORD_TOO_SHORT"),
            (long(129), 422, "PASSWORD_TOO_LONG"),
            (long(30_000), 422, "PASSWORD_TOO_LONG"),
            ("password1".into(), 422, "PASSWORD_COMMON"),
            ("PASSWORD1".into(), 422, "PASSWORD_COMMON"),
            ("qwertyuiop".into(), 422, "PASSWORD_COMMON"),
            (email.into(), 422, "PASSWORD_OWN_WORDS"),
            (email.to_uppercase(), 422, "PASSWORD_OWN_WORDS"),
            (long(60_000), 400, "BAD_JSON"),
            (long(1_000_000), 413, "PAYLOAD_TOO_LARGE"),
        ] {
            let reply = way.set(&service, &password).await;
            let shown: String = password.chars().take(20).collect();
            assert_refused(&format!("{shown:?} for {local}"), &reply, status, code);
            assert!(password.is_empty() || !reply.text.contains(&password), "no value is echoed: {}", reply.text);
        }
    }
    assert_eq!(service.hashes(), hashes, "nothing is hashed");
    before.is_still_that_of(&service).await;

    // As large for whoever signs in, or proves who they are.
    let (before, hashes) = (Digest::of(&service).await, service.hashes());
    let large = long(1_000_000);
    let login = service.native().login_reply(BOB, &large).await;
    assert_refused("a login", &login, 413, "PAYLOAD_TOO_LARGE");
    let Way::Change(bob) = &ways[1] else { panic!("bob changes his") };
    let change = json!({ "currentPassword": large, "newPassword": NEW });
    let reply = bob.call(Method::PATCH, "/auth/password").json(&change).send().await;
    assert_refused("a change", &reply, 413, "PAYLOAD_TOO_LARGE");
    let reply = bob.call(Method::POST, "/auth/reauth").json(&json!({ "password": large })).send().await;
    assert_refused("a proof", &reply, 413, "PAYLOAD_TOO_LARGE");
    before.is_still_that_of(&service).await;
    // What could be read is a guess, and counts as one.
    let before = Digest::without(&service, &["guess_budgets"]).await;
    let change = json!({ "currentPassword": long(129), "newPassword": NEW });
    let reply = bob.call(Method::PATCH, "/auth/password").json(&change).send().await;
    assert_refused("longer than any password", &reply, 403, "PASSWORD_WRONG");
    assert_eq!(service.hashes(), hashes, "nothing is hashed");
    before.is_still_that_of(&service).await;

    // None of it used anything up, and every composition of a good length will do.
    for (way, password) in ways.iter().zip([NEW.to_owned(), " ".repeat(15), "🔑".repeat(15), long(128)]) {
        let reply = way.set(&service, &password).await;
        assert!(reply.status < 300, "{}: {}", way.email(), reply.text);
    }
}
