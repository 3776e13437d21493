//! Captchas of companies: reCAPTCHA, hCaptcha and Turnstile, whose `siteverify` interfaces are one and the same.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystead_application::ports::{
    CaptchaAction, CaptchaError, CaptchaVerifier, CeremonyKey, CeremonyKind, CeremonyStore, Clock, DeliveryError,
    KeyedHash,
};
use keystead_domain::{SecretString, Timestamp, limits};
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::Url;

use crate::http::{self, Answer, ProviderConfigError, Timeouts};

/// Less than the port promises, so that the refusal arrives in time as well.
const WHOLE: Duration = limits::CAPTCHA_TIMEOUT.saturating_sub(Duration::from_millis(300));
/// Questions to the provider at once: a slow one must not tie up every socket.
const AT_ONCE: usize = 64;
/// How long a used token is remembered: longer than any provider accepts one.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// `error-codes` that are about who asks and not about the token. The provider is as good as down then.
const SETUP_CODES: [&str; 3] = ["missing-input-secret", "invalid-input-secret", "internal-error"];

/// How to ask a provider.
#[derive(Clone, Debug)]
pub struct SiteVerifyConfig {
    /// `https://www.google.com/recaptcha/api/siteverify`, `https://api.hcaptcha.com/siteverify`,
    /// `https://challenges.cloudflare.com/turnstile/v0/siteverify`, or what stands in for them. `http` to this machine only.
    pub url: String,
    /// The site's secret.
    pub secret: SecretString,
    /// Names of sites whose tokens count; empty: any.
    pub hostnames: Vec<String>,
    /// The least score that counts (reCAPTCHA version 3: 0.0 a program, 1.0 a person).
    pub min_score: Option<f64>,
}

/// What a provider's answers are compared with and kept in.
#[derive(Clone)]
pub struct SiteVerifyTools {
    /// Remembers used tokens: not every provider does.
    pub ceremonies: Arc<dyn CeremonyStore>,
    /// Names them.
    pub hash: Arc<dyn KeyedHash>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Asks the provider of a captcha. Whatever is no clear answer counts as none (fail closed).
pub struct SiteVerify {
    client: Client,
    url: Url,
    config: SiteVerifyConfig,
    tools: SiteVerifyTools,
    room: Semaphore,
}

impl fmt::Debug for SiteVerify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SiteVerify").field("hostnames", &self.config.hostnames).finish_non_exhaustive()
    }
}

/// What providers answer, as far as it matters.
#[derive(Deserialize)]
struct Verdict {
    success: bool,
    hostname: Option<String>,
    challenge_ts: Option<String>,
    action: Option<String>,
    cdata: Option<String>,
    score: Option<f64>,
    #[serde(default, rename = "error-codes")]
    error_codes: Vec<String>,
}

impl SiteVerify {
    /// Checks the configuration. Connects to nothing yet.
    pub fn new(config: SiteVerifyConfig, tools: SiteVerifyTools) -> Result<Self, ProviderConfigError> {
        if !http::is_word(config.secret.expose()) {
            return Err(ProviderConfigError::Malformed("secret"));
        }
        let url = http::base_url(&config.url, false)?;
        let client = http::client(&url, Timeouts { connect: WHOLE, whole: WHOLE })?;
        Ok(Self { client, url, config, tools, room: Semaphore::new(AT_ONCE) })
    }

    /// The provider's answer to a token.
    async fn ask(&self, token: &str, client: Option<IpAddr>) -> Result<Answer, CaptchaError> {
        let _place = self.room.acquire().await.map_err(|error| unavailable(&error.to_string()))?;
        let address = client.map(|ip| ip.to_string());
        let mut form = vec![("secret", self.config.secret.expose()), ("response", token)];
        form.extend(address.as_deref().map(|address| ("remoteip", address)));
        let request = self.client.post(self.url.clone()).form(&form);
        let answer = http::exchange("captcha", request).await.map_err(|error| match error {
            DeliveryError::Transient(cause) | DeliveryError::Permanent(cause) => CaptchaError::Unavailable(cause),
        })?;
        if answer.status != StatusCode::OK {
            return Err(unavailable(&format!("status {}", answer.status.as_u16())));
        }
        Ok(answer)
    }

    /// Whether the body of an answer says that a token was solved here, for this, lately, and well enough. `verify` asks
    /// for the body and remembers the token besides.
    ///
    /// # Errors
    /// [`CaptchaError::Unavailable`] when it cannot be read, or is about the site's secret and not about the token.
    pub fn examine(&self, body: &[u8], action: CaptchaAction, now: Timestamp) -> Result<bool, CaptchaError> {
        let read: Option<Verdict> = serde_json::from_slice(body).ok();
        let verdict = read.ok_or_else(|| unavailable("an answer that cannot be read"))?;
        if !verdict.success && verdict.error_codes.iter().any(|code| SETUP_CODES.contains(&code.as_str())) {
            tracing::error!("the captcha provider refuses the secret, or fails: check the configuration");
            return Err(unavailable("the secret is refused, or it fails"));
        }
        self.counts(&verdict, action, now)
    }

    /// Whether a token was solved here, for this, lately, and well enough.
    fn counts(&self, verdict: &Verdict, action: CaptchaAction, now: Timestamp) -> Result<bool, CaptchaError> {
        let hostnames = &self.config.hostnames;
        let is_here = hostnames.is_empty()
            || verdict.hostname.as_ref().is_some_and(|name| hostnames.iter().any(|own| own.eq_ignore_ascii_case(name)));
        // Version 2 of reCAPTCHA and hCaptcha know no actions.
        let bound = [&verdict.action, &verdict.cdata].into_iter().flatten().find(|text| !text.is_empty());
        // reCAPTCHA takes no hyphens in names of actions.
        let is_for_this = bound.is_none_or(|text| text.replace('_', "-") == action.as_str());
        let is_good = self.config.min_score.is_none_or(|least| verdict.score.is_some_and(|score| score >= least));
        let is_new = match &verdict.challenge_ts {
            Some(text) => solved_at(text)?.plus(limits::CAPTCHA_LIFE) > now,
            None => true,
        };
        Ok(verdict.success && is_here && is_for_this && is_good && is_new)
    }

    async fn check(&self, action: CaptchaAction, token: &str, client: Option<IpAddr>) -> Result<(), CaptchaError> {
        let answer = self.ask(token, client).await?;
        let now = self.tools.clock.now();
        if !self.examine(answer.body(), action, now)? {
            return Err(CaptchaError::Refused);
        }
        let id = format!("token:{}", URL_SAFE_NO_PAD.encode(self.tools.hash.digest(token.as_bytes())));
        let key = CeremonyKey { kind: CeremonyKind::Captcha, id };
        let inserted = self.tools.ceremonies.insert(&key, &[1], now, now.plus(REMEMBERED)).await;
        let is_first = inserted.map_err(|error| CaptchaError::Unavailable(error.to_string()))?;
        if is_first { Ok(()) } else { Err(CaptchaError::Refused) }
    }
}

fn unavailable(what: &str) -> CaptchaError {
    CaptchaError::Unavailable(format!("captcha: {what}"))
}

/// When a captcha was solved (RFC 3339).
fn solved_at(text: &str) -> Result<Timestamp, CaptchaError> {
    let read = text.parse::<jiff::Timestamp>();
    let unreadable = |_| CaptchaError::Unavailable("captcha: a time that cannot be read".to_owned());
    Ok(Timestamp::from_micros(read.map_err(unreadable)?.as_microsecond()))
}

#[async_trait]
impl CaptchaVerifier for SiteVerify {
    async fn verify(
        &self,
        action: CaptchaAction,
        solution: &SecretString,
        client: Option<IpAddr>,
    ) -> Result<(), CaptchaError> {
        let token = solution.expose();
        // What no provider gave out is not worth asking about.
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(CaptchaError::Refused);
        }
        let late = || CaptchaError::Unavailable("captcha: no answer in time".to_owned());
        timeout(WHOLE, self.check(action, token, client)).await.unwrap_or_else(|_| Err(late()))
    }
}
