//! People at their clients: nobody yet, half-way through a flow, signed in.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::http::{Answer, Api, Call, Refusal, Reply};
use super::{PROMISED, eventually};

/// The password of everybody in these tests.
pub const PASSWORD: &str = "tidal-lantern-harbour-42";

/// What a client declares itself to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Browser,
    Native,
}

/// The cookies of a browser over plain http.
pub const CLIENT: &str = "keystead-client";
pub const REFRESH: &str = "keystead-refresh";
pub const DEVICE: &str = "keystead-device";

/// Somebody not signed in.
#[derive(Clone, Debug)]
pub struct Anonymous {
    pub api: Api,
    pub kind: Kind,
    from: Option<String>,
    pub(super) device: Option<String>,
}

impl Anonymous {
    pub fn new(api: Api, kind: Kind) -> Self {
        Self { api, kind, from: None, device: None }
    }

    /// The same client, whose requests go this way.
    pub fn through(&self, api: &Api) -> Self {
        Self { api: api.clone(), ..self.clone() }
    }

    /// The same client at another address. The service must trust this machine as a proxy.
    pub fn at(&self, address: &str) -> Self {
        Self { from: Some(address.to_owned()), ..self.clone() }
    }

    /// The same client, known from an earlier login by its device token.
    pub fn on_device(&self, token: &str) -> Self {
        Self { device: Some(token.to_owned()), ..self.clone() }
    }

    /// A request of this client.
    pub fn call(&self, method: Method, route: &str) -> Call {
        let mut call = self.api.call(method, route);
        if let Some(from) = &self.from {
            call = call.header("x-forwarded-for", from);
        }
        match (self.kind, &self.device) {
            (Kind::Native, _) => call.header("keystead-client", "native"),
            (Kind::Browser, None) => call.header("origin", self.api.base()),
            (Kind::Browser, Some(device)) => call.header("origin", self.api.base()).cookie(DEVICE, device),
        }
    }

    pub async fn post(&self, route: &str, body: &Value) -> Reply {
        self.call(Method::POST, route).json(body).send().await
    }

    pub async fn register(&self, email: &str, password: &str) -> Answer<HalfWay> {
        self.register_with(&json!({ "email": email, "password": password })).await
    }

    pub async fn register_with(&self, attributes: &Value) -> Answer<HalfWay> {
        Ok(HalfWay::new(self, &self.post("/auth/register", attributes).await.ok(201)?))
    }

    pub async fn login_reply(&self, identity: &str, password: &str) -> Reply {
        self.post("/auth/login", &self.with_device(json!({ "identity": identity, "password": password }))).await
    }

    /// Attributes, with the device token where this kind of client shows it there.
    pub(super) fn with_device(&self, mut attributes: Value) -> Value {
        if let (Kind::Native, Some(device)) = (self.kind, &self.device) {
            attributes["deviceToken"] = json!(device);
        }
        attributes
    }

    pub async fn login(&self, identity: &str, password: &str) -> Answer<SignedIn> {
        Ok(SignedIn::new(self, &self.login_reply(identity, password).await.ok(200)?))
    }

    pub async fn forgot(&self, identity: &str) -> Answer<()> {
        self.post("/auth/password/forgot", &self.with_device(json!({ "identity": identity }))).await.ok(202).map(|_| ())
    }

    pub async fn begin_reset(&self, token: &str) -> Answer<HalfWay> {
        let reply = self.post("/auth/password/reset/begin", &json!({ "token": token })).await;
        Ok(HalfWay::new(self, &reply.ok(200)?))
    }
}

/// Secrets of an answer with `tokens`: from the body of native clients, from the cookies of browsers.
///
/// # Panics
/// When a browser got a secret in the body, or a native client a cookie.
pub(super) fn secrets(kind: Kind, reply: &Reply) -> [Option<String>; 3] {
    let in_body = ["clientId", "refreshToken", "deviceToken"].map(|name| reply.text_of(name));
    let in_cookies = [CLIENT, REFRESH, DEVICE].map(|name| reply.cookie(name));
    let (mine, others) = match kind {
        Kind::Native => (in_body, in_cookies),
        Kind::Browser => (in_cookies, in_body),
    };
    assert_eq!(others, [const { None }; 3], "{kind:?}: {reply:?}");
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    mine
}

/// Somebody half-way through a flow.
#[derive(Clone, Debug)]
pub struct HalfWay {
    pub client: Anonymous,
    pub token: String,
    /// Its `jti`.
    pub token_id: String,
    pub client_id: String,
    /// `tfaOptions`.
    pub options: Vec<String>,
    /// `defaultTfa`.
    pub default: Option<String>,
}

impl HalfWay {
    pub(super) fn new(client: &Anonymous, reply: &Reply) -> Self {
        let [client_id, refresh, device] = secrets(client.kind, reply);
        assert_eq!((refresh, device), (None, None), "half-way clients hold no session");
        assert_eq!((reply.text_of("state").as_deref(), reply.text_of("otpSession")), (Some("pre_authorized"), None));
        let options = reply.attributes()["tfaOptions"].as_array().cloned().unwrap_or_default();
        Self {
            client: client.clone(),
            token: reply.text_of("accessToken").unwrap(),
            token_id: reply.id(),
            client_id: client_id.unwrap(),
            options: options.iter().map(|option| option.as_str().unwrap().to_owned()).collect(),
            default: reply.text_of("defaultTfa"),
        }
    }

    /// The same person, whose requests go this way.
    pub fn through(&self, api: &Api) -> Self {
        Self { client: self.client.through(api), ..self.clone() }
    }

    pub fn call(&self, method: Method, route: &str) -> Call {
        let call = self.client.call(method, route).bearer(&self.token);
        match self.client.kind {
            Kind::Native => call.header("keystead-client-id", &self.client_id),
            Kind::Browser => call.cookie(CLIENT, &self.client_id),
        }
    }

    pub async fn post(&self, route: &str, body: &Value) -> Reply {
        self.call(Method::POST, route).json(body).send().await
    }

    pub async fn verify(&self, code: &str) -> Answer<SignedIn> {
        self.verify_with(&json!({ "code": code })).await
    }

    pub async fn verify_with(&self, attributes: &Value) -> Answer<SignedIn> {
        Ok(SignedIn::new(&self.client, &self.post("/auth/register/verify", attributes).await.ok(200)?))
    }

    /// Asks for another code.
    pub async fn resend(&self) -> Answer<Self> {
        self.send("email").await
    }

    pub async fn reset(&self, new_password: &str) -> Answer<()> {
        self.post("/auth/password/reset", &json!({ "newPassword": new_password })).await.ok(204).map(|_| ())
    }
}

/// Somebody signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub client: Anonymous,
    /// The access token.
    pub access: String,
    /// Its `jti`.
    pub token_id: String,
    pub client_id: String,
    pub refresh: String,
    pub device: Option<String>,
    /// The step-up proof (OTPSession), shown with every request.
    pub proof: Option<String>,
}

impl SignedIn {
    pub(super) fn new(client: &Anonymous, reply: &Reply) -> Self {
        let [client_id, refresh, device] = secrets(client.kind, reply);
        assert_eq!(reply.text_of("state").as_deref(), Some("authorized"));
        Self {
            client: client.clone(),
            access: reply.text_of("accessToken").unwrap(),
            token_id: reply.id(),
            client_id: client_id.unwrap(),
            refresh: refresh.unwrap(),
            device,
            proof: reply.text_of("otpSession"),
        }
    }

    /// Goes on with the tokens of an answer.
    pub(super) fn adopt(&self, reply: &Reply) -> Self {
        let [client_id, refresh, device] = secrets(self.client.kind, reply);
        assert_eq!((client_id, device), (None, None), "a session keeps its client id and device");
        let mut next = self.clone();
        next.access = reply.text_of("accessToken").unwrap();
        next.token_id = reply.id();
        next.refresh = refresh.unwrap_or(next.refresh);
        next.proof = reply.text_of("otpSession").or(next.proof);
        next
    }

    /// `sid`.
    pub fn session_id(&self) -> &str {
        self.token_id.split_once('.').unwrap().0
    }

    /// A request with everything a client of this kind sends along.
    pub fn call(&self, method: Method, route: &str) -> Call {
        self.call_without_token(method, route).bearer(&self.access)
    }

    /// The same without the access token: a page that just loaded.
    pub fn call_without_token(&self, method: Method, route: &str) -> Call {
        let mut call = self.client.call(method, route);
        if let Some(proof) = &self.proof {
            call = call.header("otp-authorization", &format!("Bearer {proof}"));
        }
        match self.client.kind {
            Kind::Native => call.header("keystead-client-id", &self.client_id),
            Kind::Browser => {
                let call = call.cookie(CLIENT, &self.client_id);
                if route.starts_with("/auth/") { call.cookie(REFRESH, &self.refresh) } else { call }
            }
        }
    }

    pub async fn get(&self, route: &str) -> Answer<Value> {
        Ok(self.call(Method::GET, route).send().await.ok(200)?.json())
    }

    async fn end(&self, method: Method, route: &str) -> Answer<()> {
        self.call(method, route).send().await.ok(204).map(|_| ())
    }

    /// The claims of the access token, as the service reads them.
    pub async fn verify(&self) -> Answer<Value> {
        Ok(self.call(Method::POST, "/auth/token/verify").send().await.ok(200)?.attributes()["claims"].take())
    }

    /// The same person, whose requests go this way.
    pub fn through(&self, api: &Api) -> Self {
        Self { client: self.client.through(api), ..self.clone() }
    }

    /// What the access token is refused with, everywhere. One process refuses at once what it revoked itself; G05 gives
    /// the other replicas a second.
    ///
    /// # Panics
    /// When a replica accepts it for longer.
    pub async fn refused(&self) -> Refusal {
        let replicas = self.client.api.each();
        if replicas.len() == 1 { self.verify().await.unwrap_err() } else { self.refused_within_a_second().await }
    }

    /// The same when another process revoked it.
    ///
    /// # Panics
    /// When a replica accepts it in a request that began more than a second later.
    pub async fn refused_within_a_second(&self) -> Refusal {
        let began = Instant::now();
        let mut refusals = Vec::new();
        for api in self.client.api.each() {
            let there = self.through(&api);
            let refused = || async {
                let late = began.elapsed() >= PROMISED;
                let answer = there.verify().await;
                assert!(!late || answer.is_err(), "accepted more than {PROMISED:?} later");
                answer.err()
            };
            refusals.push(eventually("a refusal", refused).await);
        }
        assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{refusals:?}");
        refusals.remove(0)
    }

    pub async fn refresh_reply(&self) -> Reply {
        let call = self.call_without_token(Method::POST, "/auth/refresh");
        match self.client.kind {
            Kind::Native => call.json(&json!({ "refreshToken": self.refresh })).send().await,
            Kind::Browser => call.send().await,
        }
    }

    /// Exchanges the refresh token for a fresh pair. The pair it was stays in `self`.
    pub async fn refresh(&self) -> Answer<Self> {
        let reply = self.refresh_reply().await.ok(200)?;
        Ok(self.adopt(&reply))
    }

    /// A fresh access token for the refresh cookie.
    pub async fn exchange(&self) -> Answer<Self> {
        let reply = self.call_without_token(Method::GET, "/auth/token").send().await.ok(200)?;
        Ok(self.adopt(&reply))
    }

    pub async fn reauthenticate(&self, password: &str) -> Answer<Self> {
        let reply = self.call(Method::POST, "/auth/reauth").json(&json!({ "password": password })).send().await;
        Ok(self.adopt(&reply.ok(200)?))
    }

    pub async fn change_password(&self, current: &str, new: &str) -> Answer<Self> {
        let body = json!({ "currentPassword": current, "newPassword": new });
        let reply = self.call(Method::PATCH, "/auth/password").json(&body).send().await;
        Ok(self.adopt(&reply.ok(200)?))
    }

    pub async fn log_out(&self) -> Answer<()> {
        self.end(Method::POST, "/auth/logout").await
    }

    pub async fn log_out_everywhere(&self) -> Answer<()> {
        self.end(Method::POST, "/auth/logout?all=true").await
    }

    /// Signs out with the refresh token alone.
    pub async fn log_out_by_refresh(&self) -> Answer<()> {
        let call = match self.client.kind {
            Kind::Native => self.client.call(Method::POST, "/auth/logout").bearer(&self.refresh),
            Kind::Browser => self.call_without_token(Method::POST, "/auth/logout"),
        };
        call.send().await.ok(204).map(|_| ())
    }

    pub async fn profile(&self) -> Answer<Value> {
        Ok(self.get("/users/me").await?["data"]["attributes"].take())
    }

    pub async fn update_profile(&self, attributes: &Value) -> Answer<Value> {
        let reply = self.call(Method::PATCH, "/users/me").json(attributes).send().await;
        Ok(reply.ok(200)?.attributes())
    }

    pub async fn close_account(&self) -> Answer<()> {
        self.end(Method::DELETE, "/users/me").await
    }

    /// `data` of `/sessions`.
    pub async fn sessions(&self) -> Answer<Vec<Value>> {
        Ok(self.get("/sessions").await?["data"].as_array().unwrap().clone())
    }

    pub async fn end_session(&self, id: &str) -> Answer<()> {
        self.end(Method::DELETE, &format!("/sessions/{id}")).await
    }

    pub async fn end_all_sessions(&self) -> Answer<()> {
        self.end(Method::DELETE, "/sessions").await
    }

    pub async fn revoke_token(&self, id: &str) -> Answer<()> {
        self.end(Method::DELETE, &format!("/auth/tokens/{id}")).await
    }
}
