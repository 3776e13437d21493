//! People and their second factors: authenticator programs, codes, proofs, contacts.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use data_encoding::BASE32_NOPAD;
use reqwest::Method;
use serde_json::{Value, json};
use totp_lite::{Sha1, totp_custom};

use super::actors::{Anonymous, HalfWay, SignedIn};
use super::http::{Answer, Call, Reply};
use super::service::Service;

/// The time step of one-time codes (RFC 6238 section 4.1).
pub const STEP: Duration = Duration::from_secs(30);

/// An authenticator program.
#[derive(Clone, Debug)]
pub struct Authenticator {
    /// What was typed into it.
    pub base32: String,
}

impl Authenticator {
    pub fn new(base32: &str) -> Self {
        Self { base32: base32.to_owned() }
    }

    pub fn secret(&self) -> Vec<u8> {
        BASE32_NOPAD.decode(self.base32.as_bytes()).unwrap()
    }

    /// The code of a step.
    pub fn code(&self, step: u64) -> String {
        totp_custom::<Sha1>(STEP.as_secs(), 6, &self.secret(), step * STEP.as_secs())
    }
}

/// The claims of a token, unchecked.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

impl Service {
    /// The time step its clocks are in.
    pub fn step(&self) -> u64 {
        self.now() / STEP.as_secs()
    }

    /// A code nobody used: of a step that has only begun.
    pub async fn fresh_code(&self, program: &Authenticator) -> String {
        self.advance(STEP).await;
        program.code(self.step())
    }

    /// Somebody registered with an authenticator program, with the proof that its confirmation is.
    pub async fn enrolled(&self, email: &str) -> (SignedIn, Authenticator) {
        self.registered(email).await.enrol(self).await
    }
}

impl Anonymous {
    /// A login that leads to the question for a second factor.
    pub async fn login_asked(&self, identity: &str, password: &str) -> Answer<HalfWay> {
        Ok(HalfWay::new(self, &self.login_reply(identity, password).await.ok(200)?))
    }

    /// Asks for a code instead of a password.
    pub async fn passwordless(&self, identity: &str) -> Answer<HalfWay> {
        let reply = self.post("/auth/passwordless", &self.with_device(json!({ "identity": identity }))).await;
        Ok(HalfWay::new(self, &reply.ok(202)?))
    }

    pub async fn undo_contact(&self, token: &str) -> Answer<()> {
        self.post("/contacts/undo", &json!({ "token": token })).await.ok(204).map(drop)
    }
}

impl HalfWay {
    /// The claims of its token.
    pub fn claims(&self) -> Value {
        claims(&self.token)
    }

    pub async fn answer_reply(&self, method: &str, code: &str) -> Reply {
        let body = self.client.with_device(json!({ "method": method, "code": code }));
        self.post("/auth/login/code", &body).await
    }

    /// Answers the question for a second factor of a login.
    pub async fn answer(&self, method: &str, code: &str) -> Answer<SignedIn> {
        Ok(SignedIn::new(&self.client, &self.answer_reply(method, code).await.ok(200)?))
    }

    /// Answers the question for a second factor of a reset.
    pub async fn prove(&self, method: &str, code: &str) -> Answer<Self> {
        Ok(Self::new(&self.client, &self.answer_reply(method, code).await.ok(200)?))
    }

    /// Asks for a code to a contact; this token is dead then.
    pub async fn send(&self, method: &str) -> Answer<Self> {
        let reply = self.post("/auth/login/otp", &json!({ "method": method })).await;
        Ok(Self::new(&self.client, &reply.ok(202)?))
    }

    pub async fn verify_passwordless_reply(&self, code: &str) -> Reply {
        self.post("/auth/passwordless/verify", &self.client.with_device(json!({ "code": code }))).await
    }

    pub async fn verify_passwordless(&self, code: &str) -> Answer<SignedIn> {
        Ok(SignedIn::new(&self.client, &self.verify_passwordless_reply(code).await.ok(200)?))
    }

    /// The same where a second factor is asked for.
    pub async fn verify_passwordless_asked(&self, code: &str) -> Answer<Self> {
        Ok(Self::new(&self.client, &self.verify_passwordless_reply(code).await.ok(200)?))
    }
}

impl SignedIn {
    /// The claims of the access token, unchecked.
    pub fn claims(&self) -> Value {
        claims(&self.access)
    }

    /// `sub`.
    pub fn user_id(&self) -> String {
        self.claims()["sub"].as_str().unwrap().to_owned()
    }

    /// The same person, who shows no step-up proof.
    pub fn without_proof(&self) -> Self {
        Self { proof: None, ..self.clone() }
    }

    /// The same person, who shows this as the step-up proof.
    pub fn showing(&self, proof: &str) -> Self {
        Self { proof: Some(proof.to_owned()), ..self.clone() }
    }

    /// Asks with these attributes and goes on with the tokens of the answer.
    async fn change(&self, method: Method, route: &str, attributes: &Value) -> Answer<Self> {
        Ok(self.adopt(&self.call(method, route).json(attributes).send().await.ok(200)?))
    }

    /// A secret for an authenticator program, to be confirmed.
    pub async fn begin_totp(&self) -> Answer<Authenticator> {
        let reply = self.call(Method::POST, "/totp").send().await.ok(200)?;
        Ok(Authenticator::new(&reply.text_of("secret").unwrap()))
    }

    pub async fn confirm_totp(&self, code: &str) -> Answer<Self> {
        self.change(Method::POST, "/totp/confirm", &json!({ "code": code })).await
    }

    pub async fn remove_totp(&self, code: &str) -> Answer<Self> {
        self.change(Method::DELETE, "/totp", &json!({ "code": code })).await
    }

    /// Enrols an authenticator program.
    pub async fn enrol(&self, service: &Service) -> (Self, Authenticator) {
        let program = self.begin_totp().await.unwrap();
        let enrolled = self.confirm_totp(&program.code(service.step())).await.unwrap();
        (enrolled, program)
    }

    pub async fn recovery_codes(&self) -> Answer<Vec<String>> {
        let reply = self.call(Method::POST, "/recovery-codes").send().await.ok(201)?;
        let codes = reply.attributes()["codes"].as_array().unwrap().clone();
        Ok(codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect())
    }

    /// Asks for a step-up.
    pub async fn ask_step_up(&self, media: &str) -> Answer<()> {
        let reply = self.call(Method::POST, &format!("/auth/otp?media={media}")).send().await;
        reply.ok(202).map(drop)
    }

    /// A request that shows these credentials, as they are, for a step-up.
    pub fn step_up_call(&self, credentials: Option<&str>) -> Call {
        let call = self.without_proof().call(Method::PUT, "/auth/otp");
        let call = match credentials {
            Some(credentials) => call.header("otp-authorization", credentials),
            None => call,
        };
        match self.client.with_device(json!({})) {
            empty if empty == json!({}) => call,
            body => call.json(&body),
        }
    }

    /// Shows a code for a step-up.
    pub async fn step_up(&self, code: &str) -> Answer<Self> {
        let credentials = format!("Basic {}", STANDARD.encode(format!("{}:{code}", self.user_id())));
        let reply = self.step_up_call(Some(&credentials)).send().await.ok(200)?;
        Ok(self.showing(&reply.text_of("token").unwrap()))
    }

    /// `data` of `/contacts`.
    pub async fn contacts(&self) -> Answer<Vec<Value>> {
        Ok(self.get("/contacts").await?["data"].as_array().unwrap().clone())
    }

    /// Begins to add an address; the identifier of the pending contact.
    pub async fn add_contact(&self, kind: &str, address: &str) -> Answer<String> {
        let body = json!({ "kind": kind, "address": address });
        Ok(self.call(Method::POST, "/contacts").json(&body).send().await.ok(201)?.id())
    }

    pub async fn verify_contact(&self, id: &str, code: &str) -> Answer<Self> {
        self.change(Method::POST, &format!("/contacts/{id}/verify"), &json!({ "code": code })).await
    }

    /// Makes codes to a contact a second factor, or no longer.
    pub async fn set_otp(&self, id: &str, enabled: bool) -> Answer<Self> {
        let call = self.call(Method::PATCH, &format!("/contacts/{id}")).json(&json!({ "otpEnabled": enabled }));
        let reply = call.send().await.ok(200)?.json();
        assert_eq!(reply["data"]["attributes"]["otpEnabled"], enabled);
        let tokens = &reply["meta"]["tokens"];
        let mut next = self.clone();
        tokens["accessToken"].as_str().unwrap().clone_into(&mut next.access);
        next.proof = tokens["otpSession"].as_str().map(str::to_owned).or(next.proof);
        let token_id = next.claims()["jti"].as_str().unwrap().to_owned();
        Ok(Self { token_id, ..next })
    }

    /// Removes a contact that was verified.
    pub async fn remove_contact(&self, id: &str) -> Answer<Self> {
        let reply = self.call(Method::DELETE, &format!("/contacts/{id}")).send().await;
        Ok(self.adopt(&reply.ok(200)?))
    }

    /// The identifier of the verified contact of a kind.
    pub async fn contact(&self, kind: &str) -> String {
        let contacts = self.contacts().await.unwrap();
        let of = |contact: &&Value| contact["attributes"]["kind"] == kind && contact["attributes"]["verified"] == true;
        contacts.iter().find(of).unwrap()["id"].as_str().unwrap().to_owned()
    }
}
