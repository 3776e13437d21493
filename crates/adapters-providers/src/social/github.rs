//! GitHub, and GitHub Enterprise Server: OAuth 2.0 with PKCE, and two questions of its REST interface.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use keystead_application::ports::{SocialAnswer, SocialError, SocialProfile, SocialProvider, SocialRequest};
use keystead_domain::SecretString;
use keystead_domain::account::EmailAddress;
use keystead_domain::social::ProviderId;
use reqwest::header::ACCEPT;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Deserialize;
use url::Url;

use super::exchange::{exchange, in_time};
use super::{SocialClient, WHOLE, subject_at};
use crate::http::{self, ProviderConfigError, Timeouts};

/// What is asked for when the operator asks for nothing else: name and addresses, nothing to write.
const SCOPE: &str = "read:user user:email";

/// How to reach GitHub.
#[derive(Clone, Debug)]
pub struct GitHubConfig {
    /// This client of it.
    pub client: SocialClient,
    /// Where people are: `https://github.com`. `http` is for servers on this machine.
    pub base_url: String,
    /// Where programs are: `https://api.github.com`; of an Enterprise Server `https://HOST/api/v3`.
    pub api_url: String,
    /// How long a connection may take.
    pub connect_timeout: Duration,
}

/// Accounts at GitHub. The subject is the numeric identifier: names are given to others.
pub struct GitHub {
    client: SocialClient,
    /// The address of its pages, which names it: GitHub itself, or somebody's Enterprise Server.
    issuer: String,
    authorize: Url,
    token: Url,
    user: Url,
    emails: Url,
    /// Of people's addresses, and of the interface's: one may be https and the other not, in tests.
    people: Client,
    programs: Client,
}

impl fmt::Debug for GitHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHub").field("id", &self.client.id).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Tokens {
    access_token: Option<String>,
}

/// `GET /user`, as far as it matters. Its `email` is what the person shows to the world, verified or not.
#[derive(Deserialize)]
struct Account {
    id: u64,
    login: String,
    name: Option<String>,
}

/// One of `GET /user/emails`.
#[derive(Deserialize)]
struct Mailbox {
    email: String,
    primary: bool,
    verified: bool,
}

impl GitHub {
    /// Checks the configuration. Connects to nothing yet.
    pub fn new(config: GitHubConfig) -> Result<Self, ProviderConfigError> {
        config.client.check()?;
        let (base, api) = (http::base_url(&config.base_url, false)?, http::base_url(&config.api_url, false)?);
        let timeouts = Timeouts { connect: config.connect_timeout, whole: WHOLE };
        Ok(Self {
            authorize: http::endpoint(&base, &["login", "oauth", "authorize"])?,
            token: http::endpoint(&base, &["login", "oauth", "access_token"])?,
            user: http::endpoint(&api, &["user"])?,
            emails: http::endpoint(&api, &["user", "emails"])?,
            people: http::client(&base, timeouts)?,
            programs: http::client(&api, timeouts)?,
            client: config.client,
            issuer: base.as_str().trim_end_matches('/').to_owned(),
        })
    }

    async fn access_token(&self, code: &SecretString, verifier: &SecretString) -> Result<String, SocialError> {
        let mut form = vec![
            ("client_id", self.client.client_id.as_str()),
            ("code", code.expose()),
            ("redirect_uri", self.client.redirect_uri.as_str()),
            ("code_verifier", verifier.expose()),
        ];
        form.extend(self.client.client_secret.iter().map(|secret| ("client_secret", secret.expose())));
        let request = self.people.post(self.token.clone()).header(ACCEPT, "application/json").form(&form);
        let answer = exchange("the token endpoint", request).await?;
        // GitHub refuses with status 200.
        match answer.json::<Tokens>().and_then(|tokens| tokens.access_token) {
            Some(token) if answer.status == StatusCode::OK => Ok(token),
            _ => Err(answer.refusal(self.client.id.as_str())),
        }
    }

    fn ask(&self, url: &Url, token: &str) -> RequestBuilder {
        self.programs
            .get(url.clone())
            .header(ACCEPT, "application/vnd.github+json")
            .header("X-GitHub-Api-Version", "2022-11-28")
            .bearer_auth(token)
    }

    /// The primary address, and whether it was verified. Without the scope for it there is none.
    async fn address(&self, token: &str) -> Result<Option<(EmailAddress, bool)>, SocialError> {
        let answer = exchange("the addresses", self.ask(&self.emails, token)).await?;
        if matches!(answer.status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) {
            return Ok(None);
        }
        let mailboxes: Vec<Mailbox> = answer.good()?;
        let primary = mailboxes.into_iter().find(|mailbox| mailbox.primary);
        Ok(primary.and_then(|mailbox| Some((EmailAddress::try_new(&mailbox.email).ok()?, mailbox.verified))))
    }
}

#[async_trait]
impl SocialProvider for GitHub {
    fn id(&self) -> &ProviderId {
        &self.client.id
    }

    fn display_name(&self) -> &str {
        &self.client.display_name
    }

    fn vouches_for_addresses(&self) -> bool {
        self.client.vouches_for_addresses
    }

    async fn begin(&self, request: &SocialRequest) -> Result<String, SocialError> {
        Ok(self.client.authorization(&self.authorize, &self.client.scope(SCOPE), request).into())
    }

    /// GitHub sends no `iss`; that the callback is this provider's own keeps others' codes away (RFC 9700 section 4.4.2.2).
    async fn complete(&self, answer: &SocialAnswer, request: &SocialRequest) -> Result<SocialProfile, SocialError> {
        in_time(async {
            let token = self.access_token(&answer.code, &request.code_verifier).await?;
            let account: Account = exchange("the account", self.ask(&self.user, &token)).await?.good()?;
            let address = self.address(&token).await?;
            let subject = subject_at(&self.issuer, &account.id.to_string());
            let subject =
                subject.ok_or_else(|| SocialError::Refused("the identifier has no form it may have".to_owned()))?;
            let email_verified = address.as_ref().is_some_and(|(_, verified)| *verified);
            Ok(SocialProfile {
                subject,
                email: address.map(|(email, _)| email),
                email_verified,
                name: account.name,
                label: Some(account.login),
            })
        })
        .await
    }
}
