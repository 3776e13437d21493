//! W01 to W08: answers of passkeys that are not of this ceremony, this page, this authenticator or this person. The checks by
//! themselves are tested where they are made (`crates/adapters-webauthn/tests`), and with what a real browser signs in
//! `process::browser`; here every lie goes over HTTP, and nothing comes of it.

mod ceremonies;
mod forged;
mod formats;
mod lies;
mod owners;
mod raced;
#[path = "../../../crates/adapters-webauthn/tests/webauthn/software.rs"]
mod software;

use data_encoding::HEXLOWER_PERMISSIVE;
use keystead_api_actix::config::Config;
use reqwest::Method;
use serde_json::{Value, json};

use self::software::{Key, Login, Registration};
use crate::attacks::support::assert_refused;
use crate::support::{Anonymous, Call, HalfWay, Reply, Service, SignedIn};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";
const ALONE: &str = "/auth/login/passkey";
const STEP_UP: &str = "/auth/otp/passkey";

/// A service with passkeys, and the origin of the pages they are used at.
pub(super) struct Site {
    pub(super) service: Service,
    origin: String,
}

/// A registered passkey, and its key.
pub(super) struct Held {
    /// What the service calls it.
    pub(super) row: String,
    id: Vec<u8>,
    key: Key,
    /// Whose it is.
    handle: Vec<u8>,
}

impl Site {
    /// It blocks nobody, so that every lie is looked at.
    pub(super) async fn start() -> Self {
        Self::configured(|_| ()).await
    }

    pub(super) async fn configured(change: impl FnOnce(&mut Config)) -> Self {
        let service =
            Service::builder().configured(|config| config.mfa.max_failures = 1000).configured(change).start().await;
        // An address of numbers has no passkeys: its pages are at a name.
        let origin = service.api().base().replace("127.0.0.1", "localhost");
        Self { service, origin }
    }

    /// Somebody new with a passkey.
    pub(super) async fn with_passkey(&self, email: &str) -> (SignedIn, Held) {
        self.with_passkey_that(email, |_| ()).await
    }

    /// The same with a passkey of this kind.
    async fn with_passkey_that(&self, email: &str, lie: impl FnOnce(&mut Registration)) -> (SignedIn, Held) {
        let who = self.service.registered(email).await;
        let mut registration = self.registration(&who).await;
        registration.id = format!("the passkey of {email}").into_bytes();
        registration.attested_id.clone_from(&registration.id);
        lie(&mut registration);
        let reply = register(&who, &registration).await.ok(201).unwrap();
        let tokens = reply.json()["meta"]["tokens"].take();
        let mut next = who.clone();
        tokens["accessToken"].as_str().unwrap().clone_into(&mut next.access);
        next.proof = tokens["otpSession"].as_str().map(str::to_owned);
        next.claims()["jti"].as_str().unwrap().clone_into(&mut next.token_id);
        let handle = HEXLOWER_PERMISSIVE.decode(who.user_id().replace('-', "").as_bytes()).unwrap();
        let held = Held { row: reply.id(), id: registration.attested_id.clone(), key: registration.key, handle };
        (next, held)
    }

    /// What an authenticator that keeps to the rules makes of the options of a registration.
    async fn registration(&self, who: &SignedIn) -> Registration {
        Registration::of(&options(who.call(Method::POST, "/passkeys/options")).await, &self.origin)
    }

    /// What it makes of these options with a passkey.
    fn login(&self, options: &str, held: &Held) -> Login {
        Login::of(options, &self.origin, &held.id, &held.handle)
    }

    /// The options of a login without a name.
    async fn alone(&self) -> String {
        options(self.service.native().call(Method::POST, &format!("{ALONE}/options"))).await
    }

    /// Signs in without a name, with an answer that lies so.
    async fn lie_alone(&self, held: &Held, lie: impl FnOnce(&mut Login)) -> Reply {
        let mut login = self.login(&self.alone().await, held);
        lie(&mut login);
        send(&self.service.native(), &login.answer(&held.key)).await
    }

    /// The same, with the truth.
    pub(super) async fn signs_in(&self, held: &Held) -> Reply {
        self.lie_alone(held, |_| ()).await
    }

    /// Registers a passkey of somebody with an answer that lies so.
    async fn lie_registering(&self, who: &SignedIn, lie: impl FnOnce(&mut Registration)) -> Reply {
        let mut registration = self.registration(who).await;
        lie(&mut registration);
        register(who, &registration).await
    }
}

/// The options of a ceremony, as the library of a page gets them.
async fn options(call: Call) -> String {
    call.send().await.ok(200).unwrap().attributes()["publicKey"].to_string()
}

async fn register(who: &SignedIn, registration: &Registration) -> Reply {
    send_registration(who, &registration.answer()).await
}

async fn send_registration(who: &SignedIn, answer: &Value) -> Reply {
    who.call(Method::POST, "/passkeys").json(&json!({ "attestation": answer })).send().await
}

/// Signs in without a name.
async fn send(client: &Anonymous, answer: &Value) -> Reply {
    client.post(ALONE, &json!({ "assertion": answer })).await
}

/// Answers the question for a second factor.
async fn send_second(asked: &HalfWay, answer: &Value) -> Reply {
    asked.post(ALONE, &json!({ "assertion": answer })).await
}

/// The options of a question for a second factor.
async fn second(asked: &HalfWay) -> String {
    options(asked.call(Method::POST, &format!("{ALONE}/options"))).await
}

/// Answers a question for a proof.
async fn send_step_up(who: &SignedIn, answer: &Value) -> Reply {
    who.call(Method::POST, STEP_UP).json(&json!({ "assertion": answer })).send().await
}

/// The options of a question for a proof.
async fn step_up(who: &SignedIn) -> String {
    options(who.call(Method::POST, &format!("{STEP_UP}/options"))).await
}

#[track_caller]
fn assert_invalid(attack: &str, reply: &Reply) {
    assert_refused(attack, reply, 401, "WEBAUTHN_INVALID");
}

#[track_caller]
fn assert_not_registered(attack: &str, reply: &Reply) {
    assert_refused(attack, reply, 422, "ATTESTATION_INVALID");
}
