use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;

use super::lock;
use crate::ports::{DeliveryError, Mail, Mailer};

/// Keeps mails instead of sending them.
#[derive(Debug, Default)]
pub struct FakeMailbox {
    mails: Mutex<Vec<Mail>>,
    failures: Mutex<VecDeque<DeliveryError>>,
}

impl FakeMailbox {
    /// An empty mailbox that accepts everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next mail is not accepted, for this reason. Reasons queue up.
    pub fn fail_next(&self, error: DeliveryError) {
        lock(&self.failures).push_back(error);
    }

    /// What was accepted, oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        lock(&self.mails).clone()
    }
}

#[async_trait]
impl Mailer for FakeMailbox {
    async fn send(&self, mail: &Mail) -> Result<(), DeliveryError> {
        if let Some(error) = lock(&self.failures).pop_front() {
            return Err(error);
        }
        lock(&self.mails).push(mail.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::a_mail;

    #[tokio::test]
    async fn only_accepted_mails_are_kept() {
        let mailbox = FakeMailbox::new();
        let refusal = DeliveryError::Transient("421".into());
        mailbox.fail_next(refusal.clone());
        assert_eq!(mailbox.send(&a_mail()).await, Err(refusal));
        assert_eq!(mailbox.mails(), []);
        assert_eq!(mailbox.send(&a_mail()).await, Ok(()));
        assert_eq!(mailbox.mails(), [a_mail()]);
    }
}
