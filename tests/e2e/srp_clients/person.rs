//! Somebody with an account whose password the service never saw.

use serde_json::{Value, json};

use super::between::Between;
use super::program::Program;
use crate::process::api::{Api, Person, code_in};
use crate::process::site::Site;

/// A password nobody's name or address is in.
pub(super) const PASSWORD: &str = "correct horse battery 17";

/// The service, and an address in front of it.
pub(super) struct Scene {
    // Dropped before what it stands on.
    pub(super) between: Between,
    site: Site,
}

impl Scene {
    /// Without limits.
    pub(super) async fn start() -> Self {
        let site = Site::without_limits().await;
        Self { between: Between::start(site.urls()), site }
    }

    /// A native client of every replica, in turn.
    pub(super) fn api(&self) -> &Api {
        self.site.api()
    }

    /// Options of a call of our module.
    pub(super) fn options(&self, more: Value) -> Value {
        let mut options = json!({ "baseUrl": self.between.origin() });
        let Value::Object(more) = more else { panic!("options are an object") };
        options.as_object_mut().unwrap().extend(more);
        options
    }

    /// Proves the address of a registration that answered these tokens.
    pub(super) async fn verify(&self, email: &str, tokens: &Value) -> Person {
        assert_eq!(tokens["state"], "pre_authorized", "{tokens}");
        let code = code_in(&self.api().mail_to(email).await);
        let path = "/api/v1/auth/register/verify";
        let [token, client] = ["accessToken", "clientId"].map(|name| tokens[name].as_str().unwrap());
        let verified = self.api().send_with(token, client, "POST", path, Some(&json!({ "code": code }))).await;
        Person::new(&verified.expect(200))
    }

    /// An account with [`PASSWORD`], made by our module in Node.
    pub(super) async fn registered(&self, node: &Program, email: &str) -> Person {
        let options = self.options(json!({ "email": email, "password": PASSWORD }));
        let tokens = node.call("register", json!([options])).await.ok();
        self.verify(email, &tokens).await
    }
}
