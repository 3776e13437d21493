//! What administrators do to other people's accounts: what issue 5 of the specification asks to be shown, but who may do it
//! at all (that is [`crate::authorization`]).

mod audit;
mod canary;
mod changing;
mod creating;
mod deleting;
mod guards;
mod listing;
mod outbox;
mod sessions;

use keystead_domain::account::Role;
use keystead_testkit::smtp_peer::{ReceivedMail, SmtpPeer};
use reqwest::Method;
use serde_json::Value;

use crate::support::{Answer, Authenticator, Mail, PASSWORD, Reply, Service, SignedIn, add_account, eventually};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";
const GRACE: &str = "grace@example.com";
/// A number that Ofcom keeps free for stories.
const PHONE: &str = "+442079460923";
/// How the subject of a mail about an administrator's act begins.
const TOLD: &str = "An administrator changed your account";

impl Service {
    /// An administrator whom an operator made, signed in at a native client, with a step-up proof.
    async fn in_charge(&self, role: Role) -> SignedIn {
        self.in_charge_at(&format!("{role}@example.com"), role).await.0
    }

    /// The same under this address; and their authenticator program.
    async fn in_charge_at(&self, email: &str, role: Role) -> (SignedIn, Authenticator) {
        add_account(&*self.other_process().await, email, role).await;
        let person = self.native().login(email, PASSWORD).await.unwrap();
        self.proved_by_mail(&person, email).await.enrol(self).await
    }

    /// Somebody whose account an operator made, signed in at a native client.
    async fn person(&self, email: &str) -> SignedIn {
        add_account(&*self.other_process().await, email, Role::User).await;
        self.native().login(email, PASSWORD).await.unwrap()
    }

    /// What somebody was mailed about administrators' acts, once nothing more is on its way.
    async fn told(&self, email: &str) -> Vec<Mail> {
        self.mail_settled().await;
        self.mails(email).await.into_iter().filter(|mail| mail.subject.starts_with(TOLD)).collect()
    }

    /// How many audit events there are.
    fn events(&self) -> i64 {
        self.database().count("audit_events")
    }
}

impl SignedIn {
    /// Makes an account, or is refused.
    async fn create_user_reply(&self, attributes: &Value) -> Reply {
        self.call(Method::POST, "/admin/users").json(attributes).send().await
    }

    /// Makes an account; `data`.
    async fn create_user(&self, attributes: &Value) -> Answer<Value> {
        Ok(self.create_user_reply(attributes).await.ok(201)?.json()["data"].take())
    }

    /// The attributes of an account.
    async fn managed(&self, id: &str) -> Answer<Value> {
        Ok(self.get(&format!("/admin/users/{id}")).await?["data"]["attributes"].take())
    }
}

/// Somebody with a proof that they read their mail, which goes to this server.
async fn proved_by_mail_at(peer: &SmtpPeer, person: &SignedIn) -> SignedIn {
    person.ask_step_up("email").await.unwrap();
    let is_code = |line: &&str| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit());
    let code_of = |mail: &ReceivedMail| Some(mail.text()?.lines().map(str::trim).find(is_code)?.to_owned());
    let code = eventually("a code", async || peer.messages().iter().find_map(code_of)).await;
    person.step_up(&code).await.unwrap()
}

/// The pages of a list, to its end.
async fn pages(who: &SignedIn, route: &str) -> Vec<Vec<Value>> {
    let (mut pages, mut next) = (Vec::new(), Some(route.to_owned()));
    while let Some(route) = next {
        let page = who.get(&route).await.unwrap();
        pages.push(page["data"].as_array().unwrap().clone());
        next = local(&page["links"]["next"]);
    }
    pages
}

/// A link of ours as a route of the API, if there is one.
fn local(link: &Value) -> Option<String> {
    Some(link.as_str()?.strip_prefix("/api/v1").unwrap().to_owned())
}

fn ids(list: &[Value]) -> Vec<&str> {
    list.iter().map(|resource| resource["id"].as_str().unwrap()).collect()
}

/// Attributes that no administrator may set, either (A01).
const NOBODYS: [&str; 22] = [
    "password",
    "passwordHash",
    "password_hash",
    "id",
    "epoch",
    "sessionsEpoch",
    "status",
    "emailVerified",
    "email_verified",
    "isAdmin",
    "is_admin",
    "is_active",
    "isactive",
    "Role",
    "full_name",
    "mfaEnabled",
    "otpEnabled",
    "createdAt",
    "updatedAt",
    "relationships",
    "__proto__",
    "constructor",
];
