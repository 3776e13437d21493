//! J01 to J14: access tokens nobody issued, or not for this, or not any more.

mod claims;
mod fingerprint;
mod insider;
mod keys;
mod kinds;
mod over;
mod places;
mod spelling;
mod unsigned;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystead_domain::account::Role;
use reqwest::Method;
use serde_json::Value;

use super::support::{Digest, assert_refused};
use crate::support::{Service, SignedIn};

/// Where tokens are shown: at one's own account, at an administrator's route, where they are checked for others.
const ROUTES: [(Method, &str); 3] =
    [(Method::GET, "/users/me"), (Method::GET, "/admin/users"), (Method::POST, "/auth/token/verify")];

/// A part of a token.
fn part(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A token of this header and these claims, as they are written, signed by `sign`.
fn written(header: &str, claims: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let input = format!("{}.{}", part(header), part(claims));
    let signature = sign(input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A token of this header and these claims, signed by `sign`.
fn token(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    written(&header.to_string(), &claims.to_string(), sign)
}

/// Header, claims and signature of a token.
fn opened(token: &str) -> (Value, Value, Vec<u8>) {
    let parts: Vec<Vec<u8>> = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
    (serde_json::from_slice(&parts[0]).unwrap(), serde_json::from_slice(&parts[1]).unwrap(), parts[2].clone())
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().unwrap().remove(name);
    object
}

/// A service, and an administrator who proved a second factor: what their token would open is every route there is.
struct Target {
    service: Service,
    boss: SignedIn,
    before: Digest,
}

impl Target {
    async fn start() -> Self {
        let service = Service::start().await;
        let boss = service.administrator(Role::SuperAdmin).await;
        let before = Digest::of(&service).await;
        let target = Self { service, boss, before };
        target.accepts("as issued", &target.boss.access).await;
        target
    }

    /// The administrator's client, which shows this as the access token.
    fn showing(&self, token: &str) -> SignedIn {
        SignedIn { access: token.to_owned(), ..self.boss.clone() }
    }

    /// Every route takes this token.
    async fn accepts(&self, what: &str, token: &str) {
        for (method, route) in ROUTES {
            let reply = self.showing(token).call(method, route).send().await;
            assert_eq!(reply.status, 200, "{what} at {route}: {}", reply.text);
        }
    }

    /// No route takes this token.
    async fn refuses(&self, attack: &str, token: &str) {
        self.refuses_with(attack, token, "TOKEN_INVALID").await;
    }

    async fn refuses_with(&self, attack: &str, token: &str, code: &str) {
        for (method, route) in ROUTES {
            let reply = self.showing(token).call(method, route).send().await;
            assert_refused(&format!("{attack} at {route}"), &reply, 401, code);
            let challenge = reply.header("www-authenticate").unwrap();
            assert!(challenge.contains("error=\"invalid_token\""), "{attack}: {challenge}");
        }
    }

    /// Nothing changed, nothing was written down, and the right token counts.
    async fn is_unharmed(&self) {
        self.before.is_still_that_of_but_for(&self.service, &[]).await;
        self.accepts("after all that", &self.boss.access).await;
    }
}
