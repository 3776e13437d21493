//! What both providers need of HTTP.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use keystead_application::ports::DeliveryError;
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, RequestBuilder, Response, StatusCode, redirect};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use serde::de::DeserializeOwned;
use thiserror::Error;
use url::{Host, Url};

/// Answers of both providers are below 2 KiB; what comes after this is not read.
const MOST_OF_AN_ANSWER: usize = 16 * 1024;
/// Kept connections are shorter-lived than those of the providers' load balancers.
const KEEP_IDLE: Duration = Duration::from_secs(30);

/// How long a provider may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the connection and TLS.
    pub connect: Duration,
    /// For everything. The ports promise 30 seconds.
    pub whole: Duration,
}

impl Default for Timeouts {
    /// 5 s and 25 s.
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), whole: Duration::from_secs(25) }
    }
}

/// The configuration of a provider cannot work. The texts repeat no secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProviderConfigError {
    /// Not `https://host[:port][/path]`.
    #[error("the provider's address is no http or https URL without user, query and fragment")]
    Url,
    /// Credentials and codes would cross a network in clear.
    #[error("the provider's address is not https, and not on this machine")]
    Plaintext,
    /// Empty, or characters that do not belong into an account, a sender or a key.
    #[error("the provider's {0} is empty or holds characters that do not belong there")]
    Malformed(&'static str),
    /// TLS cannot be set up, for example because the machine has no certificate authorities.
    #[error("TLS: {0}")]
    Tls(String),
}

/// Reads the address of a provider. `plaintext`: whether `http` is permitted to other machines than this one.
pub(crate) fn base_url(text: &str, plaintext: bool) -> Result<Url, ProviderConfigError> {
    let url = Url::parse(text).map_err(|_| ProviderConfigError::Url)?;
    let bare =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if !bare || !matches!(url.scheme(), "http" | "https") {
        return Err(ProviderConfigError::Url);
    }
    let here = match url.host().ok_or(ProviderConfigError::Url)? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    if url.scheme() == "http" && !here && !plaintext {
        return Err(ProviderConfigError::Plaintext);
    }
    Ok(url)
}

/// `base` with these segments behind its path.
pub(crate) fn endpoint(base: &Url, segments: &[&str]) -> Result<Url, ProviderConfigError> {
    let mut url = base.clone();
    url.path_segments_mut().map_err(|()| ProviderConfigError::Url)?.pop_if_empty().extend(segments);
    Ok(url)
}

/// A client that follows no redirect, asks no proxy and trusts the machine's certificate authorities.
pub(crate) fn client(base: &Url, timeouts: Timeouts) -> Result<Client, ProviderConfigError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ProviderConfigError::Tls(error.to_string()))?;
    let tls = if base.scheme() == "https" {
        builder.with_platform_verifier().map_err(|error| ProviderConfigError::Tls(error.to_string()))?
    } else {
        // Never used; an empty store spares reading the machine's certificates.
        builder.with_root_certificates(RootCertStore::empty())
    };
    Client::builder()
        .tls_backend_preconfigured(tls.with_no_client_auth())
        .https_only(base.scheme() == "https")
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .user_agent("Keystead")
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.whole)
        .pool_idle_timeout(KEEP_IDLE)
        .build()
        .map_err(|error| ProviderConfigError::Tls(cause(&error)))
}

/// What a provider said.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    retry_after: Option<u64>,
    body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; `None` when it is something else, or too long.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The body, as much of it as was read.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// What an operator reads: the status, the provider's own code, the wait it asked for. Texts of providers are left
    /// out: they quote addresses.
    pub(crate) fn describe(&self, provider: &str, code: &str) -> String {
        let code = if code.is_empty() { String::new() } else { format!(" ({code})") };
        let wait = self.retry_after.map_or_else(String::new, |seconds| format!(", retry after {seconds} s"));
        format!("{provider} answered {}{code}{wait}", self.status.as_u16())
    }

    /// Whether it will pass, whatever was sent.
    pub(crate) fn is_passing(&self) -> bool {
        self.status.is_server_error()
            || matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
    }

    /// Whether it is about who asks and where, which is the same for every message. Redirects are: none is followed.
    pub(crate) fn is_about_setup(&self) -> bool {
        let setup = [
            StatusCode::UNAUTHORIZED,
            StatusCode::PAYMENT_REQUIRED,
            StatusCode::FORBIDDEN,
            StatusCode::NOT_FOUND,
            StatusCode::METHOD_NOT_ALLOWED,
        ];
        setup.contains(&self.status) || !self.status.is_client_error()
    }
}

/// Sends a request and reads the answer, as much of it as one is long.
pub(crate) async fn exchange(provider: &str, request: RequestBuilder) -> Result<Answer, DeliveryError> {
    let lost = |error: reqwest::Error| DeliveryError::Transient(format!("{provider}: {}", cause(&error)));
    let mut response = request.send().await.map_err(lost)?;
    let (status, retry_after) = (response.status(), retry_after(&response));
    let mut body = Vec::new();
    while body.len() < MOST_OF_AN_ANSWER {
        match response.chunk().await.map_err(lost)? {
            Some(chunk) => body.extend_from_slice(&chunk),
            None => break,
        }
    }
    Ok(Answer { status, retry_after, body })
}

/// `Retry-After` in seconds (RFC 9110 section 10.2.3); the outbox has a back-off of its own, so it is told only.
fn retry_after(response: &Response) -> Option<u64> {
    response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

/// Why a request failed, without its address: that of Twilio names the account.
pub(crate) fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let what = if error.is_connect() { "no connection" } else { "the exchange broke off" };
    let mut deepest = error.source();
    while let Some(source) = deepest.and_then(std::error::Error::source) {
        deepest = Some(source);
    }
    deepest.map_or_else(|| what.to_owned(), |source| format!("{what}: {source}"))
}

/// One line: nothing in a name or subject becomes a header of its own.
pub(crate) fn one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a key or identifier is one visible word.
pub(crate) fn is_word(text: &str) -> bool {
    (1..=512).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_cross_no_network_in_clear() {
        for (text, expected) in [
            ("https://api.twilio.com", Ok(())),
            ("https://proxy.example/twilio/", Ok(())),
            ("http://localhost:8080", Ok(())),
            ("http://127.0.0.1:8080", Ok(())),
            ("http://[::1]:8080", Ok(())),
            ("http://10.0.0.1", Err(ProviderConfigError::Plaintext)),
            ("http://localhost.example", Err(ProviderConfigError::Plaintext)),
            ("https://me:secret@api.twilio.com", Err(ProviderConfigError::Url)),
            ("https://api.twilio.com/?x", Err(ProviderConfigError::Url)),
            ("ftp://api.twilio.com", Err(ProviderConfigError::Url)),
            ("api.twilio.com", Err(ProviderConfigError::Url)),
        ] {
            assert_eq!(base_url(text, false).map(|_| ()), expected, "{text}");
        }
        assert!(base_url("http://10.0.0.1", true).is_ok());
    }

    #[test]
    fn an_endpoint_lies_behind_the_path_of_its_base() {
        for (base, expected) in [
            ("https://a.example", "https://a.example/v3/mail"),
            ("https://a.example/", "https://a.example/v3/mail"),
            ("https://a.example/x", "https://a.example/x/v3/mail"),
            ("https://a.example/x/", "https://a.example/x/v3/mail"),
        ] {
            let base = base_url(base, false).unwrap();
            assert_eq!(endpoint(&base, &["v3", "mail"]).unwrap().as_str(), expected);
        }
        let odd = endpoint(&base_url("https://a.example", false).unwrap(), &["a/b?c"]).unwrap();
        assert_eq!(odd.as_str(), "https://a.example/a%2Fb%3Fc");
    }
}
