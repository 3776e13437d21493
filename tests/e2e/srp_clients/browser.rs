//! Our module in a page: Chromium stays alive while it computes.

use serde_json::{Value, json};

use super::person::{PASSWORD, Scene};
use super::program::{Outcome, Program};
use crate::process::browser::driver::Browser;

const EMAIL: &str = "ada@example.com";

const CALL: &str = "
    const [name, given, done] = arguments;
    import('/tests/e2e/srp_clients/calls.mjs').then(({ call }) => call(name, given)).then(done, (error) =>
        done({ error: { name: error.name, code: null, status: null, message: error.message } }));";

/// A page of the service, and a browser that shows it.
pub(super) struct Page {
    browser: Browser,
}

impl Page {
    pub(super) async fn open(scene: &Scene) -> Self {
        let browser = Browser::start().await;
        browser.open(&scene.between.page()).await;
        Self { browser }
    }

    pub(super) async fn call(&self, name: &str, given: Value) -> Outcome {
        Outcome::new(self.browser.run(CALL, json!([name, given])).await)
    }
}

#[tokio::test]
async fn s01_a_page_registers_and_signs_in_with_its_secrets_in_cookies() {
    let scene = Scene::start().await;
    let page = Page::open(&scene).await;
    // The code is typed by a native client; so this registration is its own.
    let native = json!({ "email": EMAIL, "password": PASSWORD, "client": "native" });
    let tokens = page.call("register", json!([native])).await.ok();
    scene.verify(EMAIL, &tokens).await;

    let options = json!({ "identity": EMAIL, "password": PASSWORD });
    let tokens = page.call("login", json!([options])).await.ok();
    assert_eq!(tokens["state"], "authorized", "{tokens}");
    for secret in ["clientId", "refreshToken", "deviceToken", "serverProof"] {
        assert_eq!(tokens.get(secret), None, "{tokens}");
    }
    let bearer = format!("Bearer {}", tokens["accessToken"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    let me = page.browser.fetch("GET", "/api/v1/users/me", &headers, None).await.expect(200);
    assert_eq!(me.attribute("email"), EMAIL);
    // The browser shows the cookie of a known device from now on.
    let wrong = page.call("login", json!([{ "identity": EMAIL, "password": "correct horse battery 18" }])).await;
    assert_eq!(wrong.refused(), (401, "SRP_INVALID"));
}

#[tokio::test]
async fn a_page_stays_alive_while_a_password_is_stretched_and_work_is_done() {
    let scene = Scene::start().await;
    let page = Page::open(&scene).await;
    let stretch = json!(["makeCredential", PASSWORD]);
    let with_kdf = page.call("aliveDuring", stretch.clone()).await.ok();
    assert_eq!(with_kdf["value"]["kdf"], json!({ "n": 1 << 17, "r": 8, "p": 1 }));
    alive(&with_kdf, 1);
    let work = json!(["solveCaptcha", { "challenge": "a.challenge", "difficulty": 20 }]);
    alive(&page.call("aliveDuring", work.clone()).await.ok(), 2);

    // Where there can be no worker, it takes turns with the page.
    page.browser.run("window.Worker = undefined; arguments[0]();", json!([])).await;
    alive(&page.call("aliveDuring", stretch).await.ok(), 2);
    alive(&page.call("aliveDuring", work).await.ok(), 2);
}

/// The page's timer was never kept waiting for a good part of the time, and the page was told how far the work is. `workers`
/// is how many were started so far.
#[track_caller]
fn alive(during: &Value, workers: u64) {
    let [took, longest] = ["took", "longest"].map(|name| during[name].as_f64().unwrap());
    assert!(took > 100.0, "too short to tell: {during}");
    assert!(longest < took / 2.0, "{during}");
    assert!(during["ticks"].as_u64().unwrap() >= 4 && during["shares"].as_u64().unwrap() >= 3, "{during}");
    assert_eq!(during["workers"], workers, "{during}");
}

#[tokio::test]
async fn accounts_made_in_a_page_are_those_of_node_and_the_other_way_round() {
    let scene = Scene::start().await;
    let (page, node) = (Page::open(&scene).await, Program::node());
    // The same characters, typed on keyboards that compose them and ones that do not.
    let (composed, decomposed) = ("Ångström Ωmega 17", "A\u{30a}ngstro\u{308}m \u{2126}mega 17");
    let registration = json!({ "email": EMAIL, "password": composed, "client": "native" });
    let tokens = page.call("register", json!([registration])).await.ok();
    scene.verify(EMAIL, &tokens).await;
    let login = scene.options(json!({ "identity": EMAIL, "password": decomposed, "client": "native" }));
    assert_eq!(node.call("login", json!([login])).await.ok()["state"], "authorized");

    scene.registered(&node, "bob@example.com").await;
    let login = json!({ "identity": "bob@example.com", "password": PASSWORD, "client": "native" });
    assert_eq!(page.call("login", json!([login])).await.ok()["state"], "authorized");
}
