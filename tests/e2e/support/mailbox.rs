//! What people were mailed, read from the development mailbox.

use serde_json::Value;

use super::eventually;
use super::service::Service;

/// A delivered mail or text message.
#[derive(Clone, Debug)]
pub struct Mail {
    pub subject: String,
    pub text: String,
    /// When it was delivered, in a form that sorts.
    at: String,
}

impl Mail {
    fn new(resource: &Value) -> Self {
        let text = |name: &str| resource["attributes"][name].as_str().unwrap().to_owned();
        Self { subject: text("subject"), text: text("text"), at: text("createdAt") }
    }

    /// The one-time code in it: a line of a mail, or the first word of a text message.
    pub fn code(&self) -> Option<String> {
        let mut places = self.text.lines().map(str::trim).chain(self.text.split_whitespace().take(1));
        places.find(|text| text.len() == 6 && text.bytes().all(|b| b.is_ascii_digit())).map(str::to_owned)
    }

    /// The token of the link in it: what stands behind `#token=`.
    pub fn link_token(&self) -> Option<String> {
        let (_, rest) = self.text.split_once("#token=")?;
        rest.split_whitespace().next().map(str::to_owned)
    }
}

impl Service {
    /// Every mail delivered to an address, by whichever replica, oldest first.
    pub async fn mails(&self, to: &str) -> Vec<Mail> {
        let to = to.replace('@', "%40").replace('+', "%2B");
        let mut mails: Vec<Mail> = Vec::new();
        for replica in self.api().each() {
            let reply = replica.get(&format!("/dev/mail?filter[to]={to}")).await.ok(200).unwrap();
            mails.extend(reply.json()["data"].as_array().unwrap().iter().rev().map(Mail::new));
        }
        // Stable: what one replica delivered at one moment stays in its order.
        mails.sort_by(|a, b| a.at.cmp(&b.at));
        mails
    }

    /// The first `count` mails to an address that are wanted, once they are there; oldest first.
    async fn wait_for<T>(&self, to: &str, count: usize, wanted: impl Fn(&Mail) -> Option<T>) -> Vec<T> {
        let wanted = &wanted;
        let ask = || async move {
            let found: Vec<T> = self.mails(to).await.iter().filter_map(wanted).collect();
            (found.len() >= count).then_some(found)
        };
        eventually(&format!("{count} mails to {to}"), ask).await
    }

    /// Codes mailed to an address, oldest first, once there are `count`.
    pub async fn codes(&self, to: &str, count: usize) -> Vec<String> {
        self.wait_for(to, count, Mail::code).await
    }

    /// The code mailed to an address that got one only.
    pub async fn code(&self, to: &str) -> String {
        self.codes(to, 1).await.remove(0)
    }

    /// Tokens of links mailed to an address, oldest first, once there are `count`.
    pub async fn link_tokens(&self, to: &str, count: usize) -> Vec<String> {
        self.wait_for(to, count, Mail::link_token).await
    }

    /// Mails whose subject begins so, once there are `count`.
    pub async fn mails_about(&self, to: &str, subject: &str, count: usize) -> Vec<Mail> {
        self.wait_for(to, count, |mail| mail.subject.starts_with(subject).then(|| mail.clone())).await
    }
}
