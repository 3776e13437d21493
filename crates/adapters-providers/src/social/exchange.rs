//! Requests to a provider: bounded in time and size, no redirects.

use keystead_application::ports::SocialError;
use reqwest::{RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::WHOLE;
use crate::http::cause;

/// The longest answer that is read, in bytes. Key sets of the largest providers have 20 KiB.
const MOST_OF_AN_ANSWER: usize = 256 * 1024;

/// What a provider said, and to which question: `the token endpoint`.
pub(super) struct Answer {
    what: &'static str,
    pub status: StatusCode,
    body: Vec<u8>,
}

/// An error of RFC 6749 section 5.2, as far as it matters. `error_description` is not read.
#[derive(Deserialize)]
struct OAuthError {
    error: String,
}

/// Ends a call of the port in time.
pub(super) async fn in_time<T>(work: impl Future<Output = Result<T, SocialError>>) -> Result<T, SocialError> {
    timeout(WHOLE, work).await.unwrap_or_else(|_| Err(SocialError::Unavailable("no answer in time".to_owned())))
}

/// Sends a request and reads the whole answer.
pub(super) async fn exchange(what: &'static str, request: RequestBuilder) -> Result<Answer, SocialError> {
    let lost = |error: reqwest::Error| SocialError::Unavailable(format!("{what}: {}", cause(&error)));
    let mut response = request.send().await.map_err(lost)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        if body.len() + chunk.len() > MOST_OF_AN_ANSWER {
            return Err(SocialError::Unavailable(format!("{what}: the answer is too long")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { what, status, body })
}

impl Answer {
    /// The body of a good answer.
    pub(super) fn good<T: DeserializeOwned>(&self) -> Result<T, SocialError> {
        if self.status != StatusCode::OK {
            return Err(self.unavailable(&format!("status {}", self.status.as_u16())));
        }
        self.json().ok_or_else(|| self.unavailable("an answer that cannot be read"))
    }

    /// The body as JSON, whatever the status; `None` when it is something else.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The provider's own code of an error, if it is one of the registered form.
    pub(super) fn error(&self) -> Option<String> {
        let error = self.json::<OAuthError>()?.error;
        let fits = (1..=40).contains(&error.len()) && error.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        fits.then_some(error)
    }

    /// Why a code was not exchanged. What the operator must mend is said in the log.
    pub(super) fn refusal(&self, provider: &str) -> SocialError {
        let error = self.error();
        let code = error.as_deref().unwrap_or("no code");
        let setup = ["invalid_client", "unauthorized_client", "incorrect_client_credentials", "redirect_uri_mismatch"];
        if setup.contains(&code) {
            tracing::error!(provider, code, "the provider refuses this client: check the configuration");
            return self.unavailable(code);
        }
        if error.is_some() && !self.status.is_server_error() {
            return SocialError::Refused(format!("{}: {code}", self.what));
        }
        self.unavailable(&format!("status {}", self.status.as_u16()))
    }

    fn unavailable(&self, why: &str) -> SocialError {
        SocialError::Unavailable(format!("{}: {why}", self.what))
    }
}
