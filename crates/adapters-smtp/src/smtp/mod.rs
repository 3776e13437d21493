//! The SMTP mailer: configuration, one kept connection, the conversation, the message.

mod config;
mod connection;
mod failure;
mod keeper;
mod letter;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keystead_application::ports::{Clock, DeliveryError, Mail, Mailer};
use tokio_rustls::TlsConnector;

pub use self::config::{SmtpConfig, SmtpConfigError, SmtpSecurity};
use self::connection::Connection;
use self::keeper::Keeper;
use self::letter::Letter;

/// The longest a whole send may take. The port promises 30 seconds.
const SEND_LIMIT: Duration = Duration::from_secs(25);

/// Hands messages to one mail server (RFC 5321) and keeps one connection open between messages.
///
/// Two messages at once use two connections; the one that ends last is kept. Before a kept connection is used again it
/// must answer `RSET`; if it does not, the message goes over a new one. A connection that had any error is closed.
///
/// A server that dies between the final dot and its answer may or may not have taken the message: that is
/// [`DeliveryError::Transient`], and the repeat carries the same `Message-ID`.
pub struct SmtpMailer {
    config: SmtpConfig,
    tls: TlsConnector,
    clock: Arc<dyn Clock>,
    keeper: Keeper,
    send_limit: Duration,
}

impl SmtpMailer {
    /// Checks the configuration and reads the certificate authorities. Connects to nothing yet. The clock gives the
    /// `Date` of messages.
    pub fn new(config: SmtpConfig, clock: Arc<dyn Clock>) -> Result<Self, SmtpConfigError> {
        config.check()?;
        let tls = config.tls_connector()?;
        let keeper = Keeper::new(config.keep_idle);
        Ok(Self { config, tls, clock, keeper, send_limit: SEND_LIMIT })
    }

    async fn deliver(&self, letter: &Letter) -> Result<(), DeliveryError> {
        let mut connection = match self.revive().await {
            Some(connection) => connection,
            None => Connection::open(&self.config, &self.tls).await?,
        };
        connection.deliver(letter).await?;
        self.keeper.put(connection);
        Ok(())
    }

    /// The kept connection, if there is one and it still answers.
    async fn revive(&self) -> Option<Connection> {
        let mut connection = self.keeper.take()?;
        match connection.reset().await {
            Ok(()) => Some(connection),
            Err(error) => {
                tracing::debug!(%error, "kept SMTP connection is gone");
                None
            }
        }
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<(), DeliveryError> {
        let letter = Letter::compose(&self.config, self.clock.now(), mail)?;
        tokio::time::timeout(self.send_limit, self.deliver(&letter))
            .await
            .unwrap_or_else(|_| Err(DeliveryError::Transient("the whole took too long".to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use keystead_domain::Timestamp;
    use keystead_domain::account::EmailAddress;
    use keystead_testkit::smtp_peer::{Behaviour, SmtpPeer};

    use super::*;

    struct StoppedClock;

    impl Clock for StoppedClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_seconds(1_700_000_000)
        }
    }

    #[tokio::test]
    async fn the_whole_is_limited_as_well_as_each_step() {
        let peer = SmtpPeer::start().await.unwrap();
        peer.set_behaviour(Behaviour::HangAtGreeting);
        let address = EmailAddress::try_new("no-reply@example.com").unwrap();
        let config = SmtpConfig::new("127.0.0.1", peer.port(), SmtpSecurity::None, address.clone());
        let mut mailer = SmtpMailer::new(config, Arc::new(StoppedClock)).unwrap();
        assert!(mailer.send_limit < Duration::from_secs(30), "the port's promise");
        mailer.send_limit = Duration::from_millis(50);
        let mail = Mail {
            message_id: "1@example.com".to_owned(),
            to: address,
            subject: "Hello".to_owned(),
            text: "Hello".to_owned().into(),
            html: "Hello".to_owned().into(),
        };
        assert_eq!(mailer.send(&mail).await, Err(DeliveryError::Transient("the whole took too long".to_owned())));
    }
}
