//! S06: logins by the hundred of our module in Node, our module in Chromium, and the Python package `srp`, each value that a
//! client chooses forced to begin with a zero byte in some of them. `cargo xtask prove --only srp-logins` makes them a thousand.

use serde_json::{Value, json};

use super::browser::Page;
use super::person::{PASSWORD, Scene};
use super::program::{Outcome, Program};
use crate::process::api::Person;
use crate::support::report;

/// Logins of each client.
fn logins() -> u64 {
    std::env::var("KEYSTEAD_TEST_SRP_LOGINS").map_or(100, |text| text.parse().unwrap())
}

/// Of the logins in Node: those for which more than A is forced, by searching.
const DEAR: u64 = 40;
/// Logins in one call to a page, whose scripts are given some seconds.
const AT_ONCE: u64 = 20;

/// How many logins there were, and how many values began with a zero byte.
#[derive(Debug, Default)]
struct Tally {
    done: u64,
    zeros: std::collections::BTreeMap<String, u64>,
}

impl Tally {
    #[track_caller]
    fn add(&mut self, outcome: Outcome) {
        let answer = outcome.ok();
        self.done += answer["done"].as_u64().unwrap();
        for (name, count) in answer["zeros"].as_object().unwrap() {
            *self.zeros.entry(name.clone()).or_default() += count.as_u64().unwrap();
        }
    }

    /// All of them were logins, and one in twenty at least had an A that begins with a zero byte.
    #[track_caller]
    fn finish(&self, who: &str) {
        assert_eq!(self.done, logins(), "{self:?}");
        assert!(self.zeros["A"] >= logins() / 20, "{self:?}");
        report(&format!("{who}: {} logins; begun with a zero byte: {:?}", self.done, self.zeros));
    }
}

/// So many logins of a device that is known, so that nobody is mailed about them.
fn wish(email: &str, who: &Person, count: u64, forced: &[&str]) -> Value {
    json!({
        "identity": email,
        "password": PASSWORD,
        "deviceToken": who.device,
        "count": count,
        "forced": forced,
        "client": "native",
    })
}

#[tokio::test]
async fn s06_hundreds_of_logins_of_our_module_in_node() {
    let scene = Scene::start().await;
    let node = Program::node();
    let ada = scene.registered(&node, "ada@example.com").await;
    let mut tally = Tally::default();
    let all = scene.options(wish("ada@example.com", &ada, logins() - DEAR, &["A"]));
    tally.add(node.call("rounds", json!([all])).await);
    // Each of these is searched for.
    let dear = scene.options(wish("ada@example.com", &ada, DEAR, &["M1", "M2", "S", "A"]));
    tally.add(node.call("rounds", json!([dear])).await);
    tally.finish("our module in Node");
    for name in ["M1", "M2", "S"] {
        assert!(tally.zeros[name] >= 1, "{tally:?}");
    }
}

#[tokio::test]
async fn s06_hundreds_of_logins_of_our_module_in_chromium() {
    let scene = Scene::start().await;
    let ada = scene.registered(&Program::node(), "ada@example.com").await;
    let page = Page::open(&scene).await;
    let mut tally = Tally::default();
    let some = wish("ada@example.com", &ada, AT_ONCE, &["A"]);
    for _ in 0..logins() / AT_ONCE {
        tally.add(page.call("rounds", json!([some])).await);
    }
    tally.finish("our module in Chromium");
}

#[tokio::test]
async fn s06_hundreds_of_logins_of_python() {
    let scene = Scene::start().await;
    let python = Program::python();
    let mut credential = python.call("credential", json!([PASSWORD])).await.ok();
    credential["email"] = json!("ada@example.com");
    let registered = scene.api().post("/api/v1/auth/srp/register", &credential).await.expect(201);
    let ada = scene.verify("ada@example.com", &registered.json()["data"]["attributes"]).await;
    let mut wish = wish("ada@example.com", &ada, logins(), &[]);
    wish["url"] = json!(scene.between.origin());
    let mut tally = Tally::default();
    tally.add(python.call("rounds", json!([wish])).await);
    tally.finish("srp of Python");

    // Each takes the accounts of the other.
    let options = scene.options(json!({ "identity": "ada@example.com", "password": PASSWORD }));
    let node = Program::node();
    assert_eq!(node.call("login", json!([options])).await.ok()["state"], "authorized");
    let bob = scene.registered(&node, "bob@example.com").await;
    wish["identity"] = json!("bob@example.com");
    wish["deviceToken"] = json!(bob.device);
    wish["count"] = json!(1);
    assert_eq!(python.call("rounds", json!([wish])).await.ok()["done"], 1);
    wish["password"] = json!("correct horse battery 18");
    let python = Program::python();
    assert_eq!(python.call("rounds", json!([wish])).await.refused(), (401, "SRP_INVALID"));
}
