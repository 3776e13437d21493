//! People whose clients speak SRP.

use keystead_testkit::srp_client::{Challenge, Kdf, Login, SrpClient, Stretch, os_random};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Anonymous, Answer, HalfWay, Kind, PASSWORD, Reply, Service, SignedIn};

/// What clients are told to use.
pub const KDF: Kdf = Kdf { n: 1 << 17, r: 8, p: 1 };

/// A client that knows this password. It stretches it in no time: the server cannot tell.
pub fn knowing(password: &str) -> SrpClient {
    SrpClient::new(password).stretching(Stretch::Quick)
}

/// The attributes of a new credential with this password.
pub fn credential(password: &str) -> Value {
    knowing(password).register(KDF, &mut os_random).unwrap().attributes()
}

/// The attributes of both.
pub fn with(mut attributes: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("attributes are an object") };
    attributes.as_object_mut().unwrap().extend(more);
    attributes
}

/// A secret of an answer with `tokens`, which browsers have in a cookie.
fn secret(kind: Kind, reply: &Reply, attribute: &str, cookie: &str) -> Option<String> {
    match kind {
        Kind::Native => reply.text_of(attribute),
        Kind::Browser => reply.cookie(cookie),
    }
}

/// Who is half-way through a flow by this answer.
pub fn half_way(client: &Anonymous, reply: &Reply) -> HalfWay {
    assert_eq!(reply.text_of("state").as_deref(), Some("pre_authorized"), "{}", reply.text);
    let options = reply.attributes()["tfaOptions"].as_array().cloned().unwrap_or_default();
    HalfWay {
        client: client.clone(),
        token: reply.text_of("accessToken").unwrap(),
        token_id: reply.id(),
        client_id: secret(client.kind, reply, "clientId", "keystead-client").unwrap(),
        options: options.iter().map(|option| option.as_str().unwrap().to_owned()).collect(),
        default: reply.text_of("defaultTfa"),
    }
}

/// Who is signed in by this answer.
pub fn signed_in(client: &Anonymous, reply: &Reply) -> SignedIn {
    assert_eq!(reply.text_of("state").as_deref(), Some("authorized"), "{}", reply.text);
    SignedIn {
        client: client.clone(),
        access: reply.text_of("accessToken").unwrap(),
        token_id: reply.id(),
        client_id: secret(client.kind, reply, "clientId", "keystead-client").unwrap(),
        refresh: secret(client.kind, reply, "refreshToken", "keystead-refresh").unwrap(),
        device: secret(client.kind, reply, "deviceToken", "keystead-device"),
        proof: reply.text_of("otpSession"),
    }
}

/// The same session after an answer with fresh tokens.
pub fn adopted(who: &SignedIn, reply: &Reply) -> SignedIn {
    let mut next = who.clone();
    next.access = reply.text_of("accessToken").unwrap();
    next.token_id = reply.id();
    next.refresh = secret(who.client.kind, reply, "refreshToken", "keystead-refresh").unwrap_or(next.refresh);
    next.proof = reply.text_of("otpSession").or(next.proof);
    next
}

impl Service {
    /// Somebody who registered by SRP with [`PASSWORD`] at a native client, and is signed in.
    pub async fn srp_registered(&self, email: &str) -> SignedIn {
        let half_way = self.native().srp_register(email, PASSWORD).await.unwrap();
        half_way.verify(&self.code(email).await).await.unwrap()
    }
}

impl Anonymous {
    pub async fn srp_register(&self, email: &str, password: &str) -> Answer<HalfWay> {
        let wish = with(credential(password), json!({ "email": email }));
        Ok(half_way(self, &self.post("/auth/srp/register", &wish).await.ok(201)?))
    }

    pub async fn srp_challenge_reply(&self, identity: &str) -> Reply {
        self.post("/auth/srp/challenge", &json!({ "identity": identity })).await
    }

    pub async fn srp_challenge(&self, identity: &str) -> Challenge {
        let reply = self.srp_challenge_reply(identity).await.ok(200).unwrap();
        Challenge::from_attributes(&reply.attributes()).unwrap()
    }

    /// The right answer to a fresh challenge, if this is the password.
    pub async fn srp_answer(&self, identity: &str, password: &str) -> Login {
        knowing(password).answer(&self.srp_challenge(identity).await).unwrap()
    }

    pub async fn srp_send(&self, login: &Value) -> Reply {
        self.post("/auth/srp/login", login).await
    }

    pub async fn srp_login_reply(&self, identity: &str, password: &str) -> Reply {
        let login = self.srp_answer(identity, password).await;
        self.srp_send(&login.attributes(identity)).await
    }

    /// Signs in, and does not believe a server that cannot prove itself.
    pub async fn srp_login(&self, identity: &str, password: &str) -> Answer<SignedIn> {
        let login = self.srp_answer(identity, password).await;
        Ok(signed_in(self, &self.srp_proved(&login, identity).await?))
    }

    /// The same where a second factor is asked for.
    pub async fn srp_login_asked(&self, identity: &str, password: &str) -> Answer<HalfWay> {
        let login = self.srp_answer(identity, password).await;
        Ok(half_way(self, &self.srp_proved(&login, identity).await?))
    }

    async fn srp_proved(&self, login: &Login, identity: &str) -> Answer<Reply> {
        let reply = self.srp_send(&login.attributes(identity)).await.ok(200)?;
        assert!(login.accepts(&reply.text_of("serverProof").unwrap()), "the server proves itself");
        Ok(reply)
    }
}

/// An answer as `srp` of `/auth/reauth`.
pub fn as_proof(login: &Login) -> Value {
    let mut attributes = login.attributes("");
    attributes.as_object_mut().unwrap().remove("identity");
    json!({ "srp": attributes })
}

impl SignedIn {
    /// Proves again who they are, by SRP.
    pub async fn srp_reauthenticate(&self, password: &str) -> Answer<Self> {
        let email = self.profile().await.unwrap()["email"].as_str().unwrap().to_owned();
        let login = self.client.srp_answer(&email, password).await;
        let reply = self.call(Method::POST, "/auth/reauth").json(&as_proof(&login)).send().await.ok(200)?;
        assert!(login.accepts(&reply.text_of("serverProof").unwrap()), "the server proves itself");
        Ok(adopted(self, &reply))
    }

    /// Adds an SRP credential.
    pub async fn add_srp(&self, password: &str) -> Answer<Self> {
        let reply = self.call(Method::POST, "/auth/srp/verifier").json(&credential(password)).send().await;
        Ok(adopted(self, &reply.ok(200)?))
    }

    /// Puts what is in `attributes` in the place of a password or SRP credential.
    pub async fn change_secret(&self, attributes: &Value) -> Answer<Self> {
        let reply = self.call(Method::PATCH, "/auth/password").json(attributes).send().await;
        Ok(adopted(self, &reply.ok(200)?))
    }
}

impl HalfWay {
    /// Resets to an SRP credential with this password.
    pub async fn srp_reset(&self, password: &str) -> Answer<()> {
        self.post("/auth/password/reset", &json!({ "srp": credential(password) })).await.ok(204).map(drop)
    }
}
