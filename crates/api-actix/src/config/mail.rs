use std::path::PathBuf;

use keystead_domain::SecretString;
use keystead_domain::account::EmailAddress;
use url::{Host, Url};

use super::address::{is_host_name, percent_decode};
use super::origin::{Origin, is_loopback_host};
use super::problem::Invalid;
use super::reader::{Noted, Reader, Reading};
use super::sms::ProviderUrl;
use super::values::line;

const FIX: &str = "write smtp://user:password@mail.example.com:587 (STARTTLS), smtps://… (TLS, port 465) or smtp+plain://… \
                   (not encrypted); write characters such as / # @ % of a password as %2F %23 %40 %25, or use \
                   mail.smtp_password";

/// `[mail]`: how mail leaves.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// Where it goes.
    pub transport: MailTransport,
    /// What the mails call the service.
    pub product_name: String,
    /// Templates that replace the built-in ones.
    pub templates_dir: Option<PathBuf>,
}

/// Where mail goes.
#[derive(Clone, Debug)]
pub enum MailTransport {
    /// Nowhere: it waits in the outbox until it expires.
    Off,
    /// To the page `/dev/mail`; `keystead dev` only.
    DevMailbox,
    /// To a mail server.
    Smtp(SmtpConfig),
    /// To SendGrid.
    SendGrid(SendGridConfig),
}

/// An account at SendGrid.
#[derive(Clone, Debug)]
pub struct SendGridConfig {
    /// Where its interface is.
    pub base_url: ProviderUrl,
    /// The key.
    pub api_key: SecretString,
    /// Sender address.
    pub from: EmailAddress,
    /// Sender name, one line.
    pub from_name: String,
}

/// A mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpConfig {
    /// Name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the connection is protected.
    pub security: SmtpSecurity,
    /// User and password, when the server asks for them.
    pub credentials: Option<(String, SecretString)>,
    /// Sender address.
    pub from: EmailAddress,
    /// Sender name, one line.
    pub from_name: String,
    /// Certificates, PEM, believed besides the public ones.
    pub extra_ca_file: Option<PathBuf>,
}

/// How an SMTP connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// STARTTLS, never without (RFC 3207); port 587.
    StartTls,
    /// TLS from the first byte (RFC 8314 section 3.3); port 465.
    Implicit,
    /// None; port 25.
    Plain,
}

impl SmtpConfig {
    /// Whether the server is this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback_host(&self.host)
    }
}

impl MailConfig {
    pub(super) fn read(r: &mut Reader, public_url: Option<&Origin>) -> Reading<Self> {
        let product_name = r.value("mail.product_name", line);
        let templates_dir = r.path("mail.templates_dir");
        let transport = read_transport(r, public_url);
        Ok(Self { transport: transport?, product_name: product_name?, templates_dir: templates_dir? })
    }
}

fn read_transport(r: &mut Reader, public_url: Option<&Origin>) -> Reading<MailTransport> {
    let from = r.optional("mail.from", |text| {
        let fix = "write an address of your own: \"no-reply@example.com\"";
        EmailAddress::try_new(text).map_err(|error| Invalid::new(error.to_string(), fix))
    });
    let from_name = r.value("mail.from_name", line);
    let extra_ca_file = r.path("mail.extra_ca_file");
    let password = r.secret("mail.smtp_password");
    let url = r.secret("mail.smtp_url");
    let sendgrid_url = r.value("mail.sendgrid_url", ProviderUrl::parse);
    let sendgrid_key = r.secret("mail.sendgrid_key");
    let (from, password) = (from?, password?);
    if let Some(api_key) = sendgrid_key? {
        if url?.is_some() || password.is_some() {
            let key = r.secret_key("mail.sendgrid_key");
            r.fault(&key, "is set, and a mail server too", "keep mail.sendgrid_key or mail.smtp_url");
            return Err(Noted);
        }
        if api_key.expose().is_empty() || !api_key.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
            let key = r.secret_key("mail.sendgrid_key");
            r.fault(&key, "is empty or holds spaces", "copy a key that may send mail from SendGrid's settings");
            return Err(Noted);
        }
        let from = sender(r, from, public_url)?;
        return Ok(MailTransport::SendGrid(SendGridConfig {
            base_url: sendgrid_url?,
            api_key,
            from,
            from_name: from_name?,
        }));
    }
    let Some(url) = url? else {
        if password.is_some() {
            let key = r.secret_key("mail.smtp_password");
            r.fault(&key, "is set without a mail server", "set mail.smtp_url, or remove the password");
        }
        return Ok(MailTransport::Off);
    };
    let key = r.secret_key("mail.smtp_url");
    let read = server(url.expose()).and_then(|server| Ok((credentials(&server, password)?, server)));
    let read = read.map_err(|invalid| r.fault(&key, invalid.what, invalid.fix));
    let from = sender(r, from, public_url);
    let (credentials, server) = read.map_err(|()| Noted)?;
    Ok(MailTransport::Smtp(SmtpConfig {
        host: server.host,
        port: server.port,
        security: server.security,
        credentials,
        from: from?,
        from_name: from_name?,
        extra_ca_file: extra_ca_file?,
    }))
}

/// The sender's address, set or made of the public host.
fn sender(r: &mut Reader, set: Option<EmailAddress>, public_url: Option<&Origin>) -> Reading<EmailAddress> {
    let from = set.or_else(|| default_sender(public_url));
    if from.is_none() && public_url.is_some() {
        let fix = "write from = \"no-reply@example.com\" under [mail]";
        r.fault("mail.from", "must be set: http.public_url has no domain to make a sender of", fix);
    }
    from.ok_or(Noted)
}

/// User and password: both or neither, the password from one place.
fn credentials(server: &Server, apart: Option<SecretString>) -> Result<Option<(String, SecretString)>, Invalid> {
    match (server.user.clone(), server.password.clone(), apart) {
        (Some(user), Some(password), None) | (Some(user), None, Some(password)) => Ok(Some((user, password))),
        (None, None, None) => Ok(None),
        (_, Some(_), Some(_)) => {
            Err(Invalid::new("holds a password, and mail.smtp_password is set too", "keep one of them"))
        }
        (Some(_), None, None) => {
            let fix = "set mail.smtp_password or mail.smtp_password_file";
            Err(Invalid::new("names a user and no password", fix))
        }
        (None, _, _) => Err(Invalid::new("names no user for the password", "write smtp://user@… in it")),
    }
}

/// `no-reply@` and the public host; a host that only this machine knows gets a domain no mail server delivers to.
fn default_sender(public_url: Option<&Origin>) -> Option<EmailAddress> {
    let url = public_url?;
    let domain = if url.is_loopback() { "localhost.localdomain" } else { url.domain()? };
    EmailAddress::try_new(&format!("no-reply@{domain}")).ok()
}

struct Server {
    host: String,
    port: u16,
    security: SmtpSecurity,
    user: Option<String>,
    password: Option<SecretString>,
}

/// Reads the address of a mail server. Errors never repeat it: it may hold a password.
fn server(text: &str) -> Result<Server, Invalid> {
    let bad = |what: &str| Invalid::new(what, FIX);
    let url = Url::parse(text).map_err(|_| bad("is not the address of a mail server"))?;
    let (security, port) = match url.scheme() {
        "smtp" => (SmtpSecurity::StartTls, 587),
        "smtps" => (SmtpSecurity::Implicit, 465),
        "smtp+plain" => (SmtpSecurity::Plain, 25),
        _ => return Err(bad("has another scheme than smtp, smtps or smtp+plain")),
    };
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(bad("has something after the host and port"));
    }
    let host = match url.host() {
        Some(Host::Domain(name)) if is_host_name(name) => name.to_ascii_lowercase(),
        Some(Host::Ipv4(ip)) => ip.to_string(),
        Some(Host::Ipv6(ip)) => ip.to_string(),
        Some(Host::Domain(_)) | None => return Err(bad("names no host")),
    };
    let decoded = |part: &str| {
        let text = percent_decode(part).filter(|text| !text.chars().any(char::is_control));
        text.ok_or_else(|| bad("has a user or password that is not properly written"))
    };
    let user = Some(url.username()).filter(|user| !user.is_empty()).map(decoded).transpose()?;
    let password = url.password().map(decoded).transpose()?.map(SecretString::new);
    Ok(Server { host, port: url.port().unwrap_or(port), security, user, password })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_say_how_the_connection_is_protected() {
        for (text, host, port, security) in [
            ("smtp://Mail.Example.com", "mail.example.com", 587, SmtpSecurity::StartTls),
            ("smtps://mail.example.com/", "mail.example.com", 465, SmtpSecurity::Implicit),
            ("smtp+plain://127.0.0.1:1025", "127.0.0.1", 1025, SmtpSecurity::Plain),
            ("smtp://[::1]:25", "::1", 25, SmtpSecurity::StartTls),
        ] {
            let server = server(text).unwrap();
            assert_eq!((server.host.as_str(), server.port, server.security), (host, port, security));
            assert!(server.user.is_none() && server.password.is_none());
        }
    }

    #[test]
    fn user_and_password_are_percent_decoded() {
        let server = server("smtp://ada%40example.com:p%2Fa%23s%25s%C3%BC@mail.example.com").unwrap();
        assert_eq!(server.user.as_deref(), Some("ada@example.com"));
        assert_eq!(server.password.unwrap().expose(), "p/a#s%sü");
    }

    #[test]
    fn wrong_addresses_are_refused_without_repeating_them() {
        for text in [
            "mail.example.com:587",
            "https://hunter2@mail.example.com",
            "smtp://",
            "smtp://user:hunter2@mail.example.com/path",
            "smtp://user:hunter2#@mail.example.com",
            "smtp://user:hunter2%0d%0aQUIT@mail.example.com",
            "smtp://user:hunter2%zz@mail.example.com",
            "smtp://mail..example.com",
            "smtp://mail%20example.com",
        ] {
            let refused = server(text).err().unwrap_or_else(|| panic!("{text} was accepted"));
            assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");
        }
    }
}
