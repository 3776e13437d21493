//! H01 to H05, H07 to H09: requests that are not what a route takes, over HTTP and over the bare connection (G18). Whatever is
//! sent: a clear 4xx with a documented code, every header, nothing changed. `http_slow` is about clients that take their time.

mod characters;
pub(in crate::attacks) mod framing;
mod json;
mod media;
mod methods;
mod paths;
mod query;
mod sizes;
mod values;

use super::headers::protected;
use super::support::{Digest, assert_explained, assert_refused};
use super::wire::{Wire, exchange};
use crate::process::api::Answer;
use crate::support::{Reply, Service, SignedIn, client_builder};

const ADA: &str = "ada@example.com";
const JSON: &str = "application/json";
const LOGIN: &str = "/api/v1/auth/login";

/// The answer, when there must be one.
pub(super) fn reply(answer: Option<Answer>) -> Reply {
    let Answer { status, headers, body } = answer.expect("an answer");
    Reply { status, headers, text: body }
}

/// A service, somebody signed in there, and what there is.
struct Target {
    service: Service,
    ada: SignedIn,
    before: Digest,
    /// `host:port` of one replica.
    address: String,
    client: reqwest::Client,
}

impl Target {
    async fn start() -> Self {
        Self::start_but_for(&[]).await
    }

    /// The same, for requests that may change these tables.
    async fn start_but_for(tables: &[&'static str]) -> Self {
        let service = Service::start().await;
        let ada = service.registered(ADA).await;
        let before = Digest::without(&service, tables).await;
        let address = service.api().base().strip_prefix("http://").unwrap().to_owned();
        Self { service, ada, before, address, client: client_builder().build().unwrap() }
    }

    /// These bytes on a connection of their own.
    async fn exchange(&self, bytes: impl AsRef<[u8]>) -> Reply {
        reply(exchange(&self.address, bytes.as_ref()).await)
    }

    async fn wire(&self) -> Wire {
        Wire::to(&self.address).await
    }

    /// A login with this body, byte by byte.
    async fn login(&self, media: Option<&str>, body: impl Into<Vec<u8>>) -> Reply {
        let call =
            self.client.post(format!("{}{LOGIN}", self.service.api().base())).header("keystead-client", "native");
        let call = media.into_iter().fold(call, |call, media| call.header("content-type", media));
        let response = call.body(body.into()).send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Reply { status, headers, text: response.text().await.unwrap() }
    }

    /// Nothing changed, and the service serves on.
    async fn unharmed(self) {
        self.before.is_still_that_of(&self.service).await;
        self.service.ready().await;
        self.ada.refresh().await.expect("the session goes on");
    }
}

/// The answer is this refusal, in the form of all, with every header.
#[track_caller]
fn refused(attack: &str, reply: &Reply, status: u16, code: &str) {
    assert_refused(attack, reply, status, code);
    protected(attack, reply);
}

/// The answer is some refusal, in the form of all, with every header.
#[track_caller]
fn explained(attack: &str, reply: &Reply) {
    assert_explained(attack, reply);
    protected(attack, reply);
}
