use std::time::Duration;

use keystead_application::ports::DeliveryError;
use mail_send::smtp::AssertReply;
use mail_send::smtp::message::Parameters;
use mail_send::{Credentials, SmtpClient, SmtpClientBuilder};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::config::{SmtpConfig, SmtpSecurity};
use super::failure::{Stage, failure};
use super::letter::Letter;

/// How long a connection that is given up may take to say goodbye.
const QUIT_LIMIT: Duration = Duration::from_secs(1);

/// One open connection to the mail server, greeted and logged in.
pub(super) enum Connection {
    Plain(SmtpClient<TcpStream>),
    Tls(Box<SmtpClient<TlsStream<TcpStream>>>),
}

impl Connection {
    /// Connects, encrypts and logs in, all within one step's limit. Every failure is transient: no message is at fault.
    pub(super) async fn open(config: &SmtpConfig, tls: &TlsConnector) -> Result<Self, DeliveryError> {
        let mut builder = SmtpClientBuilder::new_with_tls_connector(config.host.as_str(), config.port, tls.clone())
            .implicit_tls(config.security == SmtpSecurity::ImplicitTls)
            .helo_host(&config.hello_name)
            .timeout(config.timeout);
        if let Some((username, secret)) = &config.credentials {
            builder = builder.credentials(Credentials::new(username.as_str(), secret.expose()));
        }
        let connecting = async {
            Ok(match config.security {
                SmtpSecurity::StartTls | SmtpSecurity::ImplicitTls => Self::Tls(Box::new(builder.connect().await?)),
                SmtpSecurity::None => Self::Plain(builder.connect_plain().await?),
            })
        };
        // mail-send waits for the greeting of a plain connection without a limit of its own.
        tokio::time::timeout(config.timeout, connecting)
            .await
            .unwrap_or(Err(mail_send::Error::Timeout))
            .map_err(|error| failure(Stage::Connect, &error))
    }

    /// Asks the server to forget whatever was said: shows that it is still there (RFC 5321 section 4.1.1.5).
    pub(super) async fn reset(&mut self) -> Result<(), DeliveryError> {
        let reply = match self {
            Self::Plain(client) => client.cmd("RSET\r\n").await,
            Self::Tls(client) => client.cmd("RSET\r\n").await,
        };
        reply.and_then(AssertReply::assert_positive_completion).map_err(|error| failure(Stage::Reset, &error))
    }

    /// Hands in one message.
    pub(super) async fn deliver(&mut self, letter: &Letter) -> Result<(), DeliveryError> {
        match self {
            Self::Plain(client) => deliver(client, letter).await,
            Self::Tls(client) => deliver(client, letter).await,
        }
    }

    /// Says goodbye and closes.
    pub(super) async fn quit(self) {
        let goodbye = async {
            match self {
                Self::Plain(client) => client.quit().await,
                Self::Tls(client) => client.quit().await,
            }
        };
        // The connection is closed whether or not the server answers.
        let _ = tokio::time::timeout(QUIT_LIMIT, goodbye).await;
    }
}

/// RFC 5321 section 3.3. mail-send's own `send` would not say at which step the server refused.
async fn deliver<T>(client: &mut SmtpClient<T>, letter: &Letter) -> Result<(), DeliveryError>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let none = Parameters::new();
    client.mail_from(&letter.from, &none).await.map_err(|error| failure(Stage::Sender, &error))?;
    client.rcpt_to(&letter.to, &none).await.map_err(|error| failure(Stage::Recipient, &error))?;
    client.data(&letter.data).await.map_err(|error| failure(Stage::Message, &error))?;
    Ok(())
}
