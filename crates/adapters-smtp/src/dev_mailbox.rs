use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use keystead_application::ports::{Clock, Mail, MailError, Mailer};
use keystead_domain::Timestamp;

/// How many messages a mailbox keeps unless told otherwise.
const DEFAULT_CAPACITY: usize = 1000;

/// A mailbox in memory that takes every message, for development: nothing leaves the machine. It keeps the newest
/// messages only.
pub struct DevMailbox {
    clock: Arc<dyn Clock>,
    capacity: usize,
    /// Oldest first.
    mails: Mutex<VecDeque<StoredMail>>,
}

/// A message a [`DevMailbox`] keeps. `Debug` shows no text: it holds codes and links.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredMail {
    /// `Message-ID` without brackets.
    pub id: String,
    /// `email`.
    pub channel: &'static str,
    /// Recipient.
    pub to: String,
    /// Subject, one line.
    pub subject: String,
    /// Plain text part.
    pub text: String,
    /// HTML part.
    pub html: String,
    /// When it was sent.
    pub created_at: Timestamp,
}

impl fmt::Debug for StoredMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredMail").field("id", &self.id).field("subject", &self.subject).finish_non_exhaustive()
    }
}

impl DevMailbox {
    /// An empty mailbox that keeps the newest 1000 messages.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_capacity(clock, DEFAULT_CAPACITY)
    }

    /// An empty mailbox that keeps the newest `capacity` messages, at least one.
    pub fn with_capacity(clock: Arc<dyn Clock>, capacity: usize) -> Self {
        Self { clock, capacity: capacity.max(1), mails: Mutex::default() }
    }

    /// What was sent, newest first; with `to`, only to that address, whatever its case.
    pub fn messages(&self, to: Option<&str>) -> Vec<StoredMail> {
        let wanted = |mail: &&StoredMail| to.is_none_or(|to| mail.to.eq_ignore_ascii_case(to));
        self.mails().iter().rev().filter(wanted).cloned().collect()
    }

    /// Forgets every message.
    pub fn clear(&self) {
        self.mails().clear();
    }

    fn mails(&self) -> MutexGuard<'_, VecDeque<StoredMail>> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Mailer for DevMailbox {
    /// Keeps the message. A repeat of a `Message-ID` takes the place of the first.
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let stored = StoredMail {
            id: mail.message_id.clone(),
            channel: "email",
            to: mail.to.to_string(),
            subject: mail.subject.clone(),
            text: mail.text.expose().to_owned(),
            html: mail.html.expose().to_owned(),
            created_at: self.clock.now(),
        };
        let mut mails = self.mails();
        mails.retain(|kept| kept.id != stored.id);
        if mails.len() == self.capacity {
            mails.pop_front();
        }
        mails.push_back(stored);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use keystead_domain::account::EmailAddress;

    use super::*;

    struct StoppedClock;
    impl Clock for StoppedClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_seconds(1_700_000_000)
        }
    }

    fn mail(id: &str, to: &str, text: &str) -> Mail {
        Mail {
            message_id: id.to_owned(),
            to: EmailAddress::try_new(to).unwrap(),
            subject: "Hello".to_owned(),
            text: text.to_owned().into(),
            html: "<p>Hello</p>".to_owned().into(),
        }
    }

    #[tokio::test]
    async fn keeps_the_newest_first_and_by_address() {
        let mailbox = DevMailbox::with_capacity(Arc::new(StoppedClock), 2);
        for (id, to) in [("1", "ada@example.com"), ("2", "bob@example.com"), ("3", "ada@example.com")] {
            mailbox.send(&mail(id, to, "x")).await.unwrap();
        }
        let ids = |to| mailbox.messages(to).into_iter().map(|mail| mail.id).collect::<Vec<_>>();
        assert_eq!(ids(None), ["3", "2"]);
        assert_eq!(ids(Some("ADA@example.com")), ["3"]);
        assert_eq!(mailbox.messages(None)[0].created_at, Timestamp::from_seconds(1_700_000_000));
        mailbox.clear();
        assert!(mailbox.messages(None).is_empty());
    }

    #[tokio::test]
    async fn a_repeat_replaces_the_first() {
        let mailbox = DevMailbox::new(Arc::new(StoppedClock));
        mailbox.send(&mail("1", "ada@example.com", "first")).await.unwrap();
        mailbox.send(&mail("1", "ada@example.com", "second")).await.unwrap();
        let kept = mailbox.messages(None);
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].text, "second");
        assert!(!format!("{kept:?}").contains("second"));
    }
}
