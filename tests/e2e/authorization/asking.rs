//! Requests of the walk: paths with identifiers in them, bodies that are in order, and how a caller sends them.

use keystead_api_actix::authorization::{Admits, Rule};
use reqwest::Method;
use serde_json::{Value, json};

use super::cast::Principal;
use crate::support::{Api, Call, PASSWORD, Reply, SignedIn};

/// A second factor's code that is none, of the right form.
const NO_CODE: &str = "000000";

/// What requests are about.
#[derive(Clone, Debug)]
pub struct Target {
    user: String,
    session: String,
    token: String,
    /// A pending contact.
    contact: String,
    passkey: String,
    message: String,
    /// What is shown as the current password.
    password: &'static str,
}

impl Target {
    /// Somebody, with their password: a request about them that is let in changes something.
    pub async fn of(person: &SignedIn) -> Self {
        Self {
            user: person.user_id(),
            session: person.session_id().to_owned(),
            token: person.token_id.clone(),
            contact: person.add_contact("email", "another-address@example.com").await.unwrap(),
            password: PASSWORD,
            ..Self::nothing()
        }
    }

    /// Nothing there is, with a password that is wrong: who is let in finds nothing.
    pub fn nothing() -> Self {
        let user = "0f0e0d0c-0b0a-4908-8706-050403020100".to_owned();
        let session = "AAAAAAAAAAAAAAAAAAAAAA".to_owned();
        Self {
            token: format!("{session}.AAAAAAAAAAAAAAAA"),
            contact: user.clone(),
            passkey: "0f0e0d0c-0b0a-4908-8706-050403020101".to_owned(),
            message: "AAAAAAAAAAAAAAAAAAAAA".to_owned(),
            password: "granite-otter-sunday-93",
            user,
            session,
        }
    }

    /// The path of a rule, about this.
    pub fn path(&self, rule: &Rule) -> String {
        let id = match rule.path {
            path if path.contains("/sessions/{id}") => &self.session,
            path if path.contains("/contacts/") => &self.contact,
            path if path.contains("/passkeys/") => &self.passkey,
            path if path.contains("/outbox/") => &self.message,
            _ => &self.user,
        };
        let query = if (rule.method, rule.path) == ("POST", "/api/v1/auth/otp") { "?media=email" } else { "" };
        rule.path.replace("{id}", id).replace("{jti}", &self.token).replace("{provider}", "nowhere") + query
    }

    /// A body the route takes, so that nothing but the caller can be wrong. `nth` makes addresses different.
    pub fn body(&self, rule: &Rule, nth: usize) -> Option<Value> {
        // As a browser sends it; nobody's, but of the right form.
        let signature = json!({ "id": "AAAA", "rawId": "AAAA", "type": "public-key", "clientExtensionResults": {},
            "response": { "clientDataJSON": "e30", "authenticatorData": "AAAA", "signature": "AAAA" } });
        let registration = json!({ "id": "AAAA", "rawId": "AAAA", "type": "public-key", "clientExtensionResults": {},
            "response": { "clientDataJSON": "e30", "attestationObject": "AAAA" } });
        let hex = |digits: &str, times: usize| digits.repeat(times);
        let credential = |mut more: Value| {
            more["srpIdentity"] = json!(hex("0f", 16));
            more["kdf"] = json!({ "n": 131_072, "r": 8, "p": 1 });
            more["kdfSalt"] = json!(hex("6b", 32));
            more["srpSalt"] = json!(hex("5a", 32));
            more["verifier"] = json!(hex("9", 1024));
            more
        };
        let link = "A".repeat(43);
        let email = format!("walk-{nth}@example.com");
        let new = "copper-violin-meadow-17";
        Some(match (rule.method, rule.path.strip_prefix("/api/v1").unwrap_or(rule.path)) {
            ("POST", "/auth/register") => json!({ "email": email, "password": PASSWORD }),
            ("POST", "/auth/srp/register") => credential(json!({ "email": email })),
            ("POST", "/auth/srp/verifier") => credential(json!({})),
            ("POST", "/auth/srp/login") => json!({ "identity": email, "clientPublicKey": hex("02", 1),
                "clientProof": hex("ab", 32), "sealed": link }),
            ("POST", "/captcha/challenge") => json!({ "action": "register" }),
            ("POST", "/auth/activate") => json!({ "token": link, "password": new }),
            ("POST", "/auth/login") => json!({ "identity": email, "password": PASSWORD }),
            ("POST", "/auth/passwordless" | "/auth/password/forgot" | "/auth/srp/challenge") => {
                json!({ "identity": email })
            }
            ("POST", "/auth/password/reset/begin" | "/contacts/undo") => json!({ "token": link }),
            ("POST", "/auth/login/code") => json!({ "method": "totp", "code": NO_CODE }),
            ("POST", "/auth/login/otp") => json!({ "method": "email" }),
            ("POST", "/auth/login/passkey" | "/auth/otp/passkey") => json!({ "assertion": signature }),
            ("PATCH", "/auth/password") => json!({ "currentPassword": self.password, "newPassword": new }),
            ("POST", "/auth/password/reset") => json!({ "newPassword": new }),
            ("POST", "/auth/reauth") => json!({ "password": self.password }),
            (
                "POST",
                "/auth/register/verify" | "/auth/passwordless/verify" | "/totp/confirm" | "/contacts/{id}/verify",
            )
            | ("DELETE", "/totp") => json!({ "code": NO_CODE }),
            ("POST", "/contacts") => json!({ "kind": "email", "address": email }),
            ("PATCH", "/contacts/{id}") => json!({ "otpEnabled": true }),
            ("POST", "/social/{provider}/callback" | "/users/me/social/{provider}/callback") => {
                json!({ "code": link, "state": link })
            }
            ("POST", "/passkeys") => json!({ "attestation": registration }),
            ("PATCH", "/passkeys/{id}") => json!({ "name": "Mallory's" }),
            ("PATCH", "/users/me") => json!({ "fullName": "Mallory" }),
            ("POST", "/admin/users") => json!({ "email": email, "role": "user" }),
            ("PATCH", "/admin/users/{id}") => json!({ "role": "user", "fullName": "Mallory", "isActive": false }),
            ("POST", "/admin/users/{id}/impersonations") => json!({ "reason": "because I can" }),
            _ => return None,
        })
    }
}

impl Principal {
    /// Sends a request of a rule, about a target, to a replica.
    pub async fn ask(&self, api: &Api, rule: &Rule, target: &Target) -> Reply {
        self.ask_at(api, rule.method, rule, &target.path(rule), target).await
    }

    /// The same with another method, or to another path than is declared.
    pub async fn ask_at(&self, api: &Api, method: &str, rule: &Rule, path: &str, target: &Target) -> Reply {
        let mut call = self.call(api, method, rule, path);
        if let Some(body) = target.body(rule, self.nth).filter(|_| method != "HEAD") {
            call = call.json(&body);
        }
        let reply = call.send().await;
        assert!(reply.status < 500, "{:?} at {method} {path}: {}", self.who, reply.text);
        reply
    }

    /// A request with all they show, for a rule, and no body yet.
    pub fn call(&self, api: &Api, method: &str, rule: &Rule, path: &str) -> Call {
        let mut call = api.at(Method::from_bytes(method.as_bytes()).unwrap(), path);
        // Refresh tokens are in cookies, of which nobody here has one, or a native client's body.
        if rule.admits != Admits::RefreshHolder {
            call = call.header("keystead-client", "native");
            if let Some(id) = &self.client_id {
                call = call.header("keystead-client-id", id);
            }
        }
        if let Some(token) = &self.token {
            call = call.bearer(token);
        }
        if let Some(proof) = &self.proof {
            call = call.header("otp-authorization", &format!("Bearer {proof}"));
        }
        call
    }
}
