//! People who come with accounts elsewhere.

use reqwest::Method;
use serde_json::{Value, json};

use super::actors::{Anonymous, HalfWay, SignedIn};
use super::http::{Answer, Reply};

/// What a provider sent somebody back with.
#[derive(Clone, Debug)]
pub struct Back {
    pub code: String,
    pub state: String,
    pub iss: Option<String>,
}

impl Back {
    fn body(&self) -> Value {
        let mut body = json!({ "code": self.code, "state": self.state });
        if let Some(iss) = &self.iss {
            body["iss"] = json!(iss);
        }
        body
    }
}

/// A flow that a client began.
#[derive(Clone, Debug)]
pub struct Flow {
    pub client: Anonymous,
    /// Where the provider is.
    pub url: String,
    pub client_id: String,
    provider: String,
}

/// Where a flow led.
#[derive(Clone, Debug)]
pub enum Arrived {
    In(Box<SignedIn>),
    HalfWay(Box<HalfWay>),
}

impl Arrived {
    /// # Panics
    /// When more is asked.
    #[track_caller]
    pub fn signed_in(self) -> SignedIn {
        let Self::In(person) = self else { panic!("signed in, not {self:?}") };
        *person
    }

    /// # Panics
    /// When nothing more is asked.
    #[track_caller]
    pub fn half_way(self) -> HalfWay {
        let Self::HalfWay(person) = self else { panic!("half-way, not {self:?}") };
        *person
    }
}

impl Anonymous {
    /// Begins a sign-in with an account elsewhere.
    pub async fn begin_social(&self, provider: &str) -> Answer<Flow> {
        let reply = self.call(Method::POST, &format!("/social/{provider}")).send().await.ok(200)?;
        let client_id = super::actors::secrets(self.kind, &reply)[0].clone().expect("a client id");
        let url = reply.text_of("url").unwrap();
        Ok(Flow { client: self.clone(), url, client_id, provider: provider.to_owned() })
    }
}

impl Flow {
    /// The same flow, completed by another client, or by one that shows this as its id.
    pub fn by(&self, client_id: &str) -> Self {
        Self { client_id: client_id.to_owned(), ..self.clone() }
    }

    /// The same flow, completed at another provider's callback.
    pub fn at(&self, provider: &str) -> Self {
        Self { provider: provider.to_owned(), ..self.clone() }
    }

    /// The parameter of the provider's address.
    pub fn parameter(&self, name: &str) -> String {
        let (_, query) = self.url.split_once('?').unwrap();
        let pair = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        pair.unwrap_or_else(|| panic!("{name} in {query}")).to_owned()
    }

    pub async fn complete_reply(&self, back: &Back) -> Reply {
        let call = self.client.call(Method::POST, &format!("/social/{}/callback", self.provider));
        let call = match self.client.kind {
            super::Kind::Native => call.header("keystead-client-id", &self.client_id),
            super::Kind::Browser => call.cookie(super::actors::CLIENT, &self.client_id),
        };
        call.json(&back.body()).send().await
    }

    pub async fn complete(&self, back: &Back) -> Answer<Arrived> {
        let reply = self.complete_reply(back).await.ok(200)?;
        Ok(match reply.text_of("state").as_deref() {
            Some("authorized") => Arrived::In(Box::new(SignedIn::new(&self.client, &reply))),
            _ => Arrived::HalfWay(Box::new(HalfWay::new(&self.client, &reply))),
        })
    }
}

impl SignedIn {
    /// Begins to link an account elsewhere: where the provider is.
    pub async fn begin_link(&self, provider: &str) -> Answer<String> {
        let reply = self.call(Method::POST, &format!("/users/me/social/{provider}")).send().await;
        Ok(reply.ok(200)?.text_of("url").unwrap())
    }

    pub async fn complete_link(&self, provider: &str, back: &Back) -> Answer<Self> {
        let call = self.call(Method::POST, &format!("/users/me/social/{provider}/callback")).json(&back.body());
        let tokens = call.send().await.ok(201)?.json()["meta"]["tokens"].take();
        let mut next = self.clone();
        tokens["accessToken"].as_str().unwrap().clone_into(&mut next.access);
        next.proof = tokens["otpSession"].as_str().map(str::to_owned).or(next.proof);
        let token_id = next.claims()["jti"].as_str().unwrap().to_owned();
        Ok(Self { token_id, ..next })
    }

    pub async fn unlink(&self, provider: &str) -> Answer<Self> {
        let reply = self.call(Method::DELETE, &format!("/users/me/social/{provider}")).send().await;
        Ok(self.adopt(&reply.ok(200)?))
    }

    /// The providers that are linked.
    pub async fn linked(&self) -> Answer<Vec<String>> {
        let links = self.get("/users/me/social").await?;
        Ok(links["data"].as_array().unwrap().iter().map(|link| link["id"].as_str().unwrap().to_owned()).collect())
    }
}
