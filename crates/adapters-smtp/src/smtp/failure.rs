use std::fmt;

use keystead_application::ports::DeliveryError;
use mail_send::Error;

/// Replies that ask for a login or refuse it (RFC 4954 section 6): the operator's matter at whatever step they come.
const LOGIN_REPLIES: [u16; 4] = [530, 534, 535, 538];

/// Where in the conversation something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Connection, greeting, TLS, login.
    Connect,
    /// `RSET` on a kept connection.
    Reset,
    /// `MAIL FROM`: about the sender, which is the same for every message.
    Sender,
    /// `RCPT TO`.
    Recipient,
    /// `DATA` and the message.
    Message,
}

impl Stage {
    /// Whether a refusal here is about this one message rather than about the set-up.
    const fn concerns_message(self) -> bool {
        matches!(self, Self::Recipient | Self::Message)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Reset => "RSET",
            Self::Sender => "MAIL FROM",
            Self::Recipient => "RCPT TO",
            Self::Message => "DATA",
        })
    }
}

/// Turns mail-send's error into the port's. The text of a reply is left out: servers quote addresses in it.
pub(super) fn failure(stage: Stage, error: &Error) -> DeliveryError {
    let cause = match error {
        Error::UnexpectedReply(reply) | Error::AuthenticationFailed(reply) => {
            let [class, subject, detail] = reply.esc;
            let code = reply.code;
            let text = if class == 0 {
                format!("{stage}: the server answered {code}")
            } else {
                format!("{stage}: the server answered {code} {class}.{subject}.{detail}")
            };
            let refused = (500..600).contains(&code) && !LOGIN_REPLIES.contains(&code);
            return if refused && stage.concerns_message() {
                DeliveryError::Permanent(text)
            } else {
                DeliveryError::Transient(text)
            };
        }
        Error::Io(error) => error.kind().to_string(),
        Error::Tls(error) => format!("TLS: {error}"),
        Error::Timeout => "no answer in time".to_owned(),
        Error::MissingStartTls => "the server does not offer STARTTLS".to_owned(),
        Error::UnsupportedAuthMechanism => "the server offers no login mechanism in common".to_owned(),
        Error::UnparseableReply => "the connection ended or the answer was no SMTP".to_owned(),
        Error::Base64(_)
        | Error::Auth(_)
        | Error::InvalidTLSName
        | Error::MissingCredentials
        | Error::MissingMailFrom
        | Error::MissingRcptTo => "the conversation failed".to_owned(),
    };
    DeliveryError::Transient(format!("{stage}: {cause}"))
}
