use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use keystead_domain::SecretString;
use keystead_domain::account::EmailAddress;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use thiserror::Error;
use tokio_rustls::TlsConnector;

/// The default limit of one step of a conversation.
const STEP_LIMIT: Duration = Duration::from_secs(10);
/// The default time an idle connection is kept.
const KEEP_IDLE: Duration = Duration::from_secs(30);

/// How the line to the mail server is protected. There is no "if possible": an attacker on the line would choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// STARTTLS (RFC 3207), usually port 587. A server that does not offer it gets no message.
    StartTls,
    /// TLS from the first byte (RFC 8314), usually port 465.
    ImplicitTls,
    /// Clear text: for a relay on the same machine, and for tests.
    None,
}

/// Where and how to hand in mail.
#[derive(Clone, Debug)]
pub struct SmtpConfig {
    /// Name or address of the mail server. Its certificate must be valid for it.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Protection of the line.
    pub security: SmtpSecurity,
    /// What to say in `EHLO` (RFC 5321 section 4.1.1.1): this machine's name.
    pub hello_name: String,
    /// User and password.
    pub credentials: Option<(String, SecretString)>,
    /// Sender, in the envelope and in `From`.
    pub from_address: EmailAddress,
    /// What to call the sender; empty for nothing.
    pub from_name: String,
    /// Limit of each step: to connect (with TLS and login), and each command after it. A whole send is cut at 25 s.
    pub timeout: Duration,
    /// How long a connection is kept for the next message. Zero keeps none.
    pub keep_idle: Duration,
    /// Certificate authorities to trust besides the machine's, PEM.
    pub extra_ca_pem: Option<Vec<u8>>,
}

/// A configuration no message can or may be sent with. Nothing but a change of the configuration helps.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SmtpConfigError {
    /// The password would cross a network in clear.
    #[error("a user and password need TLS unless the mail server is on this machine")]
    PlaintextCredentials,
    /// Neither a host name nor an address.
    #[error("the mail server's host is neither a name nor an IP address")]
    Host,
    /// Not what may follow `EHLO`.
    #[error("the name to greet the mail server with is not a host name")]
    HelloName,
    /// No time to do anything.
    #[error("the time limit of a step is zero")]
    Timeout,
    /// The extra certificate authorities cannot be read.
    #[error("the extra certificate authorities are not PEM certificates: {0}")]
    ExtraCa(String),
    /// TLS cannot be set up, for example because the machine has no certificate authorities.
    #[error("TLS: {0}")]
    Tls(String),
}

impl SmtpConfig {
    /// A configuration with the defaults: no login, the sender's domain in `EHLO`, no sender name, 10 s for a step, a
    /// connection kept for 30 s, the machine's certificate authorities.
    pub fn new(host: &str, port: u16, security: SmtpSecurity, from_address: EmailAddress) -> Self {
        Self {
            host: host.to_owned(),
            port,
            security,
            hello_name: domain(&from_address).to_owned(),
            credentials: None,
            from_address,
            from_name: String::new(),
            timeout: STEP_LIMIT,
            keep_idle: KEEP_IDLE,
            extra_ca_pem: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), SmtpConfigError> {
        ServerName::try_from(self.host.as_str()).map_err(|_| SmtpConfigError::Host)?;
        if !is_hello_name(&self.hello_name) {
            return Err(SmtpConfigError::HelloName);
        }
        if self.timeout.is_zero() {
            return Err(SmtpConfigError::Timeout);
        }
        if self.security == SmtpSecurity::None && self.credentials.is_some() && !is_loopback(&self.host) {
            return Err(SmtpConfigError::PlaintextCredentials);
        }
        Ok(())
    }

    /// Trusts the machine's certificate authorities and the extra ones. Always verifies.
    pub(super) fn tls_connector(&self) -> Result<TlsConnector, SmtpConfigError> {
        let tls_error = |error: rustls::Error| SmtpConfigError::Tls(error.to_string());
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(tls_error)?;
        let config = if self.security == SmtpSecurity::None {
            // Never used; an empty store spares reading the machine's certificates.
            builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
        } else {
            let verifier = Verifier::new_with_extra_roots(self.extra_authorities()?, provider).map_err(tls_error)?;
            // "dangerous" is rustls' word for any verifier that is not its own; this one verifies in full.
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
        };
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn extra_authorities(&self) -> Result<Vec<CertificateDer<'static>>, SmtpConfigError> {
        let Some(pem) = &self.extra_ca_pem else { return Ok(Vec::new()) };
        let authorities = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| SmtpConfigError::ExtraCa(error.to_string()))?;
        if authorities.is_empty() {
            return Err(SmtpConfigError::ExtraCa("no certificate in it".to_owned()));
        }
        Ok(authorities)
    }
}

/// What stands behind the `@`.
pub(super) fn domain(address: &EmailAddress) -> &str {
    address.as_str().rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// A name or an address literal: nothing that could end the line.
fn is_hello_name(name: &str) -> bool {
    (1..=255).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(host: &str, security: SmtpSecurity) -> SmtpConfig {
        let mut config = SmtpConfig::new(host, 25, security, EmailAddress::try_new("no-reply@example.com").unwrap());
        config.credentials = Some(("user".to_owned(), "hunter2".to_owned().into()));
        config
    }

    #[test]
    fn a_password_crosses_no_network_in_clear() {
        assert_eq!(config("mail.example.com", SmtpSecurity::None).check(), Err(SmtpConfigError::PlaintextCredentials));
        assert_eq!(config("10.0.0.1", SmtpSecurity::None).check(), Err(SmtpConfigError::PlaintextCredentials));
        for host in ["localhost", "127.0.0.1", "::1"] {
            assert_eq!(config(host, SmtpSecurity::None).check(), Ok(()), "{host}");
        }
        assert_eq!(config("mail.example.com", SmtpSecurity::StartTls).check(), Ok(()));
        assert!(!format!("{:?}", config("localhost", SmtpSecurity::None)).contains("hunter2"));
    }

    #[test]
    fn refuses_what_cannot_be_sent() {
        let good = config("localhost", SmtpSecurity::StartTls);
        let broken = SmtpConfig { hello_name: "me\r\nMAIL FROM:<x@y.z>".to_owned(), ..good.clone() };
        assert_eq!(broken.check(), Err(SmtpConfigError::HelloName));
        let broken = SmtpConfig { host: "mail server".to_owned(), ..good.clone() };
        assert_eq!(broken.check(), Err(SmtpConfigError::Host));
        let broken = SmtpConfig { timeout: Duration::ZERO, ..good.clone() };
        assert_eq!(broken.check(), Err(SmtpConfigError::Timeout));
        let broken = SmtpConfig { extra_ca_pem: Some(b"no pem".to_vec()), ..good.clone() };
        assert!(matches!(broken.tls_connector(), Err(SmtpConfigError::ExtraCa(_))));
        assert_eq!(good.hello_name, "example.com");
    }
}
