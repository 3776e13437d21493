use std::collections::VecDeque;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use keystead_application::ports::{Clock, DeliveryError, Mail, Mailer, Sms, SmsSender};
use keystead_domain::Timestamp;
use serde::{Deserialize, Serialize};

const EMAIL: &str = "email";
const SMS: &str = "sms";
/// How many messages a mailbox keeps unless told otherwise.
const DEFAULT_CAPACITY: usize = 1000;

/// A mailbox that takes every mail and text message, for development: nothing leaves the machine. It keeps the newest messages only,
/// in memory or in a file.
pub struct DevMailbox {
    clock: Arc<dyn Clock>,
    capacity: usize,
    /// Oldest first.
    mails: Mutex<VecDeque<StoredMail>>,
    /// Where they are kept, a line each.
    file: Option<File>,
}

/// A message a [`DevMailbox`] keeps. `Debug` shows no text: it holds codes and links.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredMail {
    /// `Message-ID` without brackets; of a text message its identifier.
    pub id: String,
    /// `email` or `sms`.
    pub channel: &'static str,
    /// Recipient.
    pub to: String,
    /// Subject, one line; empty for a text message.
    pub subject: String,
    /// Plain text part, or the text message.
    pub text: String,
    /// HTML part; empty for a text message.
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
        Self { clock, capacity: capacity.max(1), mails: Mutex::default(), file: None }
    }

    /// The mailbox that lies in `file`, made when it is not there, for its owner's eyes only. What was sent survives the
    /// process, a kill in the middle of a line too. Holds codes and links in clear: for development only.
    pub fn open(clock: Arc<dyn Clock>, file: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true).read(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(file)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        if !text.is_empty() && !text.ends_with('\n') {
            // A line that was cut off is the rest of a mail that is sent again.
            file.write_all(b"\n")?;
        }
        let mailbox = Self { file: Some(file), ..Self::new(clock) };
        for line in text.lines() {
            if let Ok(mail) = serde_json::from_str::<FiledMail>(line) {
                mailbox.keep(mail.into());
            }
        }
        Ok(mailbox)
    }

    /// Writes the message down, then keeps it. A repeat of an identifier takes the place of the first.
    fn take(&self, stored: StoredMail) -> Result<(), DeliveryError> {
        if let Some(mut file) = self.file.as_ref() {
            let line = serde_json::to_string(&FiledMail::from(&stored)).unwrap_or_default() + "\n";
            let written = file.write_all(line.as_bytes());
            written.map_err(|error| DeliveryError::Transient(format!("mailbox file: {error}")))?;
        }
        self.keep(stored);
        Ok(())
    }

    fn keep(&self, stored: StoredMail) {
        let mut mails = self.mails();
        mails.retain(|kept| kept.id != stored.id);
        if mails.len() == self.capacity {
            mails.pop_front();
        }
        mails.push_back(stored);
    }

    /// What was sent, newest first; with `to`, only to that address, whatever its case.
    pub fn messages(&self, to: Option<&str>) -> Vec<StoredMail> {
        let wanted = |mail: &&StoredMail| to.is_none_or(|to| mail.to.eq_ignore_ascii_case(to));
        self.mails().iter().rev().filter(wanted).cloned().collect()
    }

    /// Forgets every message.
    pub fn clear(&self) {
        let mut mails = self.mails();
        mails.clear();
        if let Some(file) = &self.file
            && let Err(error) = file.set_len(0)
        {
            tracing::warn!(%error, "the mailbox file was not emptied");
        }
    }

    fn mails(&self) -> MutexGuard<'_, VecDeque<StoredMail>> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Mailer for DevMailbox {
    async fn send(&self, mail: &Mail) -> Result<(), DeliveryError> {
        self.take(StoredMail {
            id: mail.message_id.clone(),
            channel: EMAIL,
            to: mail.to.to_string(),
            subject: mail.subject.clone(),
            text: mail.text.expose().to_owned(),
            html: mail.html.expose().to_owned(),
            created_at: self.clock.now(),
        })
    }
}

#[async_trait]
impl SmsSender for DevMailbox {
    async fn send(&self, sms: &Sms) -> Result<(), DeliveryError> {
        self.take(StoredMail {
            id: sms.id.clone(),
            channel: SMS,
            to: sms.to.to_string(),
            subject: String::new(),
            text: sms.text.expose().to_owned(),
            html: String::new(),
            created_at: self.clock.now(),
        })
    }
}

/// A mail as a line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FiledMail {
    id: String,
    /// Missing in files older than text messages.
    #[serde(default)]
    channel: String,
    to: String,
    subject: String,
    text: String,
    html: String,
    created_at: i64,
}

impl From<&StoredMail> for FiledMail {
    fn from(mail: &StoredMail) -> Self {
        Self {
            id: mail.id.clone(),
            channel: mail.channel.to_owned(),
            to: mail.to.clone(),
            subject: mail.subject.clone(),
            text: mail.text.clone(),
            html: mail.html.clone(),
            created_at: mail.created_at.as_micros(),
        }
    }
}

impl From<FiledMail> for StoredMail {
    fn from(mail: FiledMail) -> Self {
        Self {
            id: mail.id,
            channel: if mail.channel == SMS { SMS } else { EMAIL },
            to: mail.to,
            subject: mail.subject,
            text: mail.text,
            html: mail.html,
            created_at: Timestamp::from_micros(mail.created_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use keystead_domain::account::{EmailAddress, PhoneNumber};

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

    fn sms(id: &str, to: &str, text: &str) -> Sms {
        Sms { id: id.to_owned(), to: PhoneNumber::from_stored(to).unwrap(), text: text.to_owned().into() }
    }

    #[tokio::test]
    async fn keeps_the_newest_first_and_by_address() {
        let mailbox = DevMailbox::with_capacity(Arc::new(StoppedClock), 2);
        for (id, to) in [("1", "ada@example.com"), ("2", "bob@example.com"), ("3", "ada@example.com")] {
            Mailer::send(&mailbox, &mail(id, to, "x")).await.unwrap();
        }
        let ids = |to| mailbox.messages(to).into_iter().map(|mail| mail.id).collect::<Vec<_>>();
        assert_eq!(ids(None), ["3", "2"]);
        assert_eq!(ids(Some("ADA@example.com")), ["3"]);
        assert_eq!(mailbox.messages(None)[0].created_at, Timestamp::from_seconds(1_700_000_000));
        mailbox.clear();
        assert!(mailbox.messages(None).is_empty());
    }

    #[tokio::test]
    async fn a_filed_mailbox_survives_its_process_and_a_torn_line() {
        let path = std::env::temp_dir().join(format!("keystead-mailbox-{}.jsonl", std::process::id()));
        let open = || DevMailbox::open(Arc::new(StoppedClock), &path).unwrap();
        let ids = |mailbox: &DevMailbox| mailbox.messages(None).into_iter().map(|mail| mail.id).collect::<Vec<_>>();
        Mailer::send(&open(), &mail("1", "ada@example.com", "x")).await.unwrap();
        let mut text = std::fs::read(&path).unwrap();
        text.extend_from_slice(b"{\"id\":\"to");
        std::fs::write(&path, text).unwrap();
        SmsSender::send(&open(), &sms("2", "+442079460958", "x")).await.unwrap();
        assert_eq!(ids(&open()), ["2", "1"]);
        let channels: Vec<_> = open().messages(None).into_iter().map(|mail| mail.channel).collect();
        assert_eq!(channels, ["sms", "email"]);
        open().clear();
        assert!(ids(&open()).is_empty());
        std::fs::remove_file(&path).unwrap();
    }

    #[tokio::test]
    async fn a_text_message_lies_beside_the_mails() {
        let mailbox = DevMailbox::new(Arc::new(StoppedClock));
        Mailer::send(&mailbox, &mail("1", "ada@example.com", "x")).await.unwrap();
        SmsSender::send(&mailbox, &sms("2", "+442079460958", "000000 is your code")).await.unwrap();
        let kept = mailbox.messages(Some("+442079460958"));
        assert_eq!(kept.len(), 1);
        let StoredMail { channel, to, subject, text, html, .. } = &kept[0];
        assert_eq!(
            [channel, to.as_str(), subject, text, html],
            ["sms", "+442079460958", "", "000000 is your code", ""]
        );
        assert_eq!(mailbox.messages(None).len(), 2);
    }

    #[tokio::test]
    async fn a_repeat_replaces_the_first() {
        let mailbox = DevMailbox::new(Arc::new(StoppedClock));
        Mailer::send(&mailbox, &mail("1", "ada@example.com", "first")).await.unwrap();
        Mailer::send(&mailbox, &mail("1", "ada@example.com", "second")).await.unwrap();
        let kept = mailbox.messages(None);
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].text, "second");
        assert!(!format!("{kept:?}").contains("second"));
    }
}
