//! Requests as they are, cookies by hand; answers as they came.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use reqwest::{Method, redirect};
use serde_json::Value;

/// What a route gives: its result, or the status and code it refused with.
pub type Answer<T> = Result<T, Refusal>;

/// An answer with a status of 400 or more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    pub status: u16,
    pub code: String,
}

/// A refusal to compare with.
pub fn refusal(status: u16, code: &str) -> Refusal {
    Refusal { status, code: code.to_owned() }
}

/// A client that can be built in whatever order tests run: with reqwest's TLS, which the service links, in this process
/// somebody has to say whose cryptography it is before the first client is built.
pub fn client_builder() -> reqwest::ClientBuilder {
    // An error says that it was installed before.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}

/// One service, as a client sees it. Every request has a connection of its own, and goes to another replica than the
/// last one of anybody.
#[derive(Clone, Debug)]
pub struct Api {
    /// What browsers take all of them for: the address of the first.
    base: Arc<str>,
    replicas: Arc<[String]>,
    turn: Arc<AtomicUsize>,
    client: reqwest::Client,
}

impl Api {
    /// Of replicas at these addresses: `http://127.0.0.1:port`.
    pub fn new(replicas: Vec<String>) -> Self {
        let client =
            client_builder().no_proxy().redirect(redirect::Policy::none()).pool_max_idle_per_host(0).build().unwrap();
        Self { base: replicas[0].as_str().into(), replicas: replicas.into(), turn: Arc::default(), client }
    }

    /// `http://127.0.0.1:port`: the origin of browsers.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Every replica by itself.
    pub fn each(&self) -> Vec<Self> {
        let alone = |base: &String| Self { replicas: Arc::from([base.clone()]), ..self.clone() };
        self.replicas.iter().map(alone).collect()
    }

    /// The replica whose turn it is.
    fn next(&self) -> &str {
        &self.replicas[self.turn.fetch_add(1, Ordering::Relaxed) % self.replicas.len()]
    }

    /// A request to a path outside the API: `/health/live`.
    pub fn at(&self, method: Method, path: &str) -> Call {
        let path = path.to_owned();
        Call { api: self.clone(), method, path, headers: HeaderMap::new(), cookies: Vec::new(), body: None }
    }

    /// A request to a route of the API: `/auth/login`.
    pub fn call(&self, method: Method, route: &str) -> Call {
        self.at(method, &format!("/api/v1{route}"))
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.at(Method::GET, path).send().await
    }
}

/// A request being made.
#[derive(Clone, Debug)]
pub struct Call {
    api: Api,
    method: Method,
    path: String,
    headers: HeaderMap,
    cookies: Vec<String>,
    body: Option<String>,
}

impl Call {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        self.headers.append(name, HeaderValue::from_str(value).unwrap());
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn cookie(mut self, name: &str, value: &str) -> Self {
        self.cookies.push(format!("{name}={value}"));
        self
    }

    /// A body of bare attributes.
    pub fn json(mut self, body: &Value) -> Self {
        self.body = Some(body.to_string());
        self.header("content-type", "application/json")
    }

    /// A body that is not ours to form, with whatever type the headers say.
    pub fn text(mut self, body: &str) -> Self {
        self.body = Some(body.to_owned());
        self
    }

    /// Where it goes (`host:port`), and its bytes: the path as it is spelled, which [`Self::send`] would tidy up (`\` and
    /// `%2e%2e` are never sent by it). It asks for the end of the connection.
    pub fn bytes(self) -> (String, Vec<u8>) {
        let Self { api, method, path, headers, cookies, body } = self;
        let address = api.next().strip_prefix("http://").unwrap().to_owned();
        let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n").into_bytes();
        for (name, value) in &headers {
            bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        if !cookies.is_empty() {
            bytes.extend(format!("cookie: {}\r\n", cookies.join("; ")).into_bytes());
        }
        let body = body.unwrap_or_default();
        if !body.is_empty() {
            bytes.extend(format!("content-length: {}\r\n", body.len()).into_bytes());
        }
        bytes.extend(format!("\r\n{body}").into_bytes());
        (address, bytes)
    }

    pub async fn send(self) -> Reply {
        let Self { api, method, path, mut headers, cookies, body } = self;
        if !cookies.is_empty() {
            headers.insert("cookie", HeaderValue::from_str(&cookies.join("; ")).unwrap());
        }
        let mut request = api.client.request(method, format!("{}{path}", api.next())).headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Reply { status, headers, text: response.text().await.unwrap() }
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    /// The answer, if it has this status; what it was refused with, otherwise.
    ///
    /// # Panics
    /// When it succeeded with another status, or failed on our side.
    pub fn ok(self, status: u16) -> Answer<Self> {
        assert!(self.status < 500 || self.status == 503, "{} {}", self.status, self.text);
        if self.status >= 400 {
            return Err(self.refusal());
        }
        assert_eq!(self.status, status, "{}", self.text);
        Ok(self)
    }

    /// What it was refused with.
    pub fn refusal(&self) -> Refusal {
        // Health reports are no error documents.
        refusal(self.status, self.json()["errors"][0]["code"].as_str().unwrap_or_default())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{} is no JSON: {:?}", self.status, self.text))
    }

    /// `data.id`.
    pub fn id(&self) -> String {
        self.json()["data"]["id"].as_str().unwrap().to_owned()
    }

    /// `data.attributes`.
    pub fn attributes(&self) -> Value {
        self.json()["data"]["attributes"].take()
    }

    /// One attribute that is a text.
    pub fn text_of(&self, attribute: &str) -> Option<String> {
        self.attributes()[attribute].as_str().map(str::to_owned)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Names of headers, sorted.
    pub fn header_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    /// The cookies it sets: name, and value with attributes.
    pub fn cookies(&self) -> BTreeMap<String, String> {
        let lines = self.headers.get_all(SET_COOKIE).iter().map(|line| line.to_str().unwrap());
        lines.map(|line| line.split_once('=').unwrap()).map(|(name, rest)| (name.into(), rest.into())).collect()
    }

    /// The value of a cookie it sets.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies().get(name).map(|rest| rest.split(';').next().unwrap().to_owned())
    }
}
