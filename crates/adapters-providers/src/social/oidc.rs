//! Any OpenID Connect provider (OpenID Connect Core 1.0, Discovery 1.0).

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use keystead_application::ports::{Clock, SocialAnswer, SocialError, SocialProfile, SocialProvider, SocialRequest};
use keystead_domain::social::ProviderId;
use keystead_domain::{SecretString, Timestamp};
use reqwest::header::ACCEPT;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::exchange::{Answer, exchange, in_time};
use super::id_token::{Claims, Expected, Person};
use super::jws::{Bad, Compact, KeySet};
use super::{SocialClient, WHOLE};
use crate::http::{self, ProviderConfigError, Timeouts};

/// How long a discovery document and a key set are used before they are fetched again.
const FRESH: Duration = Duration::from_secs(3600);
/// A key set is fetched again for an unknown key when it is at least this old.
const REFETCH: Duration = Duration::from_secs(10);

/// How to reach a provider.
#[derive(Clone, Debug)]
pub struct OidcConfig {
    /// This client of it.
    pub client: SocialClient,
    /// The issuer, exactly as it calls itself. `http` is for providers on this machine.
    pub issuer: String,
    /// How long a connection may take.
    pub connect_timeout: Duration,
}

/// An OpenID Connect provider. Its discovery document and its keys are fetched when they are first needed.
pub struct Oidc {
    config: OidcConfig,
    issuer: Url,
    http: Client,
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc").field("issuer", &self.config.issuer).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Known {
    discovery: Option<(Timestamp, Arc<Discovery>)>,
    keys: Option<(Timestamp, Arc<KeySet>)>,
}

/// The discovery document (Discovery 1.0 section 3), as far as it matters.
#[derive(Deserialize)]
struct RawDiscovery {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

#[derive(Debug)]
struct Discovery {
    authorization: Url,
    token: Url,
    keys: Url,
    userinfo: Option<Url>,
    /// Whether the secret goes into the body, because the provider takes it nowhere else.
    secret_in_body: bool,
    /// RFC 9207 section 3.
    sends_issuer: bool,
}

/// RFC 6749 section 5.1, OpenID Connect Core 1.0 section 3.1.3.3.
#[derive(Deserialize)]
struct Tokens {
    access_token: Option<String>,
    id_token: Option<String>,
}

impl Oidc {
    /// Checks the configuration. Connects to nothing yet.
    pub fn new(config: OidcConfig, clock: Arc<dyn Clock>) -> Result<Self, ProviderConfigError> {
        config.client.check()?;
        let issuer = http::base_url(&config.issuer, false)?;
        let http = http::client(&issuer, Timeouts { connect: config.connect_timeout, whole: WHOLE })?;
        Ok(Self { config, issuer, http, clock, known: Mutex::default() })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn discovery(&self) -> Result<Arc<Discovery>, SocialError> {
        let now = self.clock.now();
        let cached = self.known().discovery.clone();
        if let Some((_, discovery)) = cached.filter(|(at, _)| is_fresh(*at, now, FRESH)) {
            return Ok(discovery);
        }
        let what = "the discovery document";
        // Appended to the issuer without its last slash (Discovery 1.0 section 4).
        let url = http::endpoint(&self.issuer, &[".well-known", "openid-configuration"])
            .map_err(|error| SocialError::Unavailable(error.to_string()))?;
        let answer = exchange(what, self.http.get(url).header(ACCEPT, "application/json")).await?;
        let discovery = Arc::new(self.understand(&answer.good()?).map_err(|why| unusable(what, why))?);
        self.known().discovery = Some((now, discovery.clone()));
        Ok(discovery)
    }

    fn understand(&self, raw: &RawDiscovery) -> Result<Discovery, &'static str> {
        // Else another provider could speak for this one (section 4.3).
        if raw.issuer != self.config.issuer {
            return Err("it is of another issuer");
        }
        let endpoint = |text: &str| {
            let url = Url::parse(text).map_err(|_| "an endpoint is no address")?;
            let bare = Url::parse(&url[..url::Position::AfterPath]).map_err(|_| "an endpoint is no address")?;
            http::base_url(bare.as_str(), false).map_err(|_| "an endpoint is not https")?;
            // What is encrypted stays so: a document cannot send us to plain addresses of this machine.
            let plain = self.issuer.scheme() == "https" && url.scheme() != "https";
            if plain || url.fragment().is_some() { Err("an endpoint is not https") } else { Ok(url) }
        };
        let methods = raw.token_endpoint_auth_methods_supported.as_deref().unwrap_or_default();
        let takes = |method: &str| methods.iter().any(|one| one == method);
        Ok(Discovery {
            authorization: endpoint(&raw.authorization_endpoint)?,
            token: endpoint(&raw.token_endpoint)?,
            keys: endpoint(&raw.jwks_uri)?,
            userinfo: raw.userinfo_endpoint.as_deref().map(endpoint).transpose()?,
            secret_in_body: takes("client_secret_post") && !takes("client_secret_basic"),
            sends_issuer: raw.authorization_response_iss_parameter_supported,
        })
    }

    /// The key set; not an older one than this.
    async fn keys(&self, discovery: &Discovery, oldest: Duration) -> Result<Arc<KeySet>, SocialError> {
        let now = self.clock.now();
        let cached = self.known().keys.clone();
        if let Some((_, keys)) = cached.filter(|(at, _)| is_fresh(*at, now, oldest)) {
            return Ok(keys);
        }
        let what = "the key set";
        let answer = exchange(what, self.http.get(discovery.keys.clone()).header(ACCEPT, "application/json")).await?;
        let keys = KeySet::parse(answer.good()?).ok_or_else(|| unusable(what, "it is none"))?;
        let keys = Arc::new(keys);
        self.known().keys = Some((now, keys.clone()));
        Ok(keys)
    }

    /// RFC 9207 section 2.4.
    fn check_issuer(&self, discovery: &Discovery, answer: &SocialAnswer) -> Result<(), SocialError> {
        let good = match &answer.issuer {
            Some(issuer) => *issuer == self.config.issuer,
            None => !discovery.sends_issuer,
        };
        if good { Ok(()) } else { Err(SocialError::Refused("the answer is of another issuer".to_owned())) }
    }

    async fn tokens(
        &self,
        discovery: &Discovery,
        code: &SecretString,
        verifier: &SecretString,
    ) -> Result<Tokens, SocialError> {
        let client = &self.config.client;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", client.redirect_uri.as_str()),
            ("code_verifier", verifier.expose()),
        ];
        let mut request = self.http.post(discovery.token.clone()).header(ACCEPT, "application/json");
        match &client.client_secret {
            Some(secret) if discovery.secret_in_body => {
                form.extend([("client_id", client.client_id.as_str()), ("client_secret", secret.expose())]);
            }
            Some(secret) => request = with_basic(request, &client.client_id, secret),
            None => form.push(("client_id", client.client_id.as_str())),
        }
        let answer: Answer = exchange("the token endpoint", request.form(&form)).await?;
        if answer.status == StatusCode::OK { answer.good() } else { Err(answer.refusal(client.id.as_str())) }
    }

    async fn verified(
        &self,
        discovery: &Discovery,
        tokens: &Tokens,
        nonce: &SecretString,
    ) -> Result<Claims, SocialError> {
        let refused = |why: &str| SocialError::Refused(why.to_owned());
        let text = tokens.id_token.as_deref().ok_or_else(|| refused("there is no ID token"))?;
        let token = Compact::parse(text).map_err(|bad| refused(said(bad)))?;
        let mut keys = self.keys(discovery, FRESH).await?;
        if token.verify(&keys) == Err(Bad::NoKey) {
            keys = self.keys(discovery, REFETCH).await?;
        }
        self.claims(&token, &keys, tokens.access_token.as_deref(), nonce)
    }

    /// What a token says, if one of these keys signed it and it is for this client, now.
    fn claims(
        &self,
        token: &Compact<'_>,
        keys: &KeySet,
        access_token: Option<&str>,
        nonce: &SecretString,
    ) -> Result<Claims, SocialError> {
        let refused = |why: &str| SocialError::Refused(why.to_owned());
        let payload = token.verify(keys).map_err(|bad| refused(said(bad)))?;
        let claims: Claims = serde_json::from_slice(payload).map_err(|_| refused("the ID token lacks a claim"))?;
        let expected = Expected {
            issuer: &self.config.issuer,
            client_id: &self.config.client.client_id,
            nonce,
            access_token,
            algorithm: token.algorithm(),
            now: self.clock.now(),
        };
        claims.check(&expected).map_err(refused)?;
        Ok(claims)
    }

    /// Whether a discovery document is one this issuer may have (OpenID Connect Discovery 1.0 section 4.3). A sign-in
    /// fetches the document itself; this is for whoever has it already.
    pub fn takes_discovery(&self, document: &[u8]) -> bool {
        let raw = serde_json::from_slice(document).ok();
        raw.is_some_and(|raw: RawDiscovery| self.understand(&raw).is_ok())
    }

    /// Who an ID token says came, checked as a sign-in checks it (OpenID Connect Core 1.0 section 3.1.3.7), with this JWK
    /// set for the provider's keys. A sign-in fetches the set itself; this is for whoever has it already.
    pub fn examine(
        &self,
        key_set: &[u8],
        id_token: &str,
        access_token: Option<&str>,
        nonce: &SecretString,
    ) -> Result<SocialProfile, SocialError> {
        let keys = serde_json::from_slice(key_set).ok().and_then(KeySet::parse);
        let keys = keys.ok_or_else(|| unusable("the key set", "it is none"))?;
        let token = Compact::parse(id_token).map_err(|bad| SocialError::Refused(said(bad).to_owned()))?;
        self.profile(self.claims(&token, &keys, access_token, nonce)?.person)
    }

    fn profile(&self, person: Person) -> Result<SocialProfile, SocialError> {
        let profile = person.profile(&self.config.issuer);
        profile.ok_or_else(|| SocialError::Refused("the subject has no form it may have".to_owned()))
    }

    /// Who they are, from the UserInfo endpoint when the ID token tells no address.
    async fn person(&self, discovery: &Discovery, tokens: &Tokens, told: Person) -> Result<Person, SocialError> {
        let (Some(userinfo), Some(token), false) = (&discovery.userinfo, &tokens.access_token, told.has_email()) else {
            return Ok(told);
        };
        let request = self.http.get(userinfo.clone()).header(ACCEPT, "application/json").bearer_auth(token);
        let person: Person = exchange("the UserInfo endpoint", request).await?.good()?;
        // Section 5.3.4: else it could be anybody's.
        if person.sub != told.sub {
            return Err(SocialError::Refused("the UserInfo endpoint tells of somebody else".to_owned()));
        }
        Ok(person)
    }
}

fn is_fresh(at: Timestamp, now: Timestamp, life: Duration) -> bool {
    now.since(at) < life && at.since(now).is_zero()
}

fn unusable(what: &str, why: &str) -> SocialError {
    SocialError::Unavailable(format!("{what}: {why}"))
}

fn said(bad: Bad) -> &'static str {
    match bad {
        Bad::Form => "the ID token has no form or algorithm that is taken",
        Bad::NoKey => "the ID token is signed with a key the provider does not publish",
        Bad::Signature => "the ID token's signature is wrong",
    }
}

/// `client_secret_basic`: both parts are encoded first (RFC 6749 section 2.3.1).
fn with_basic(request: RequestBuilder, client_id: &str, secret: &SecretString) -> RequestBuilder {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    request.basic_auth(encoded(client_id), Some(encoded(secret.expose())))
}

#[async_trait]
impl SocialProvider for Oidc {
    fn id(&self) -> &ProviderId {
        &self.config.client.id
    }

    fn display_name(&self) -> &str {
        &self.config.client.display_name
    }

    fn vouches_for_addresses(&self) -> bool {
        self.config.client.vouches_for_addresses
    }

    async fn begin(&self, request: &SocialRequest) -> Result<String, SocialError> {
        let discovery = in_time(self.discovery()).await?;
        let client = &self.config.client;
        let mut url = client.authorization(&discovery.authorization, &client.scope("openid email profile"), request);
        url.query_pairs_mut().append_pair("nonce", request.nonce.expose());
        Ok(url.into())
    }

    async fn complete(&self, answer: &SocialAnswer, request: &SocialRequest) -> Result<SocialProfile, SocialError> {
        in_time(async {
            let discovery = self.discovery().await?;
            self.check_issuer(&discovery, answer)?;
            let tokens = self.tokens(&discovery, &answer.code, &request.code_verifier).await?;
            let claims = self.verified(&discovery, &tokens, &request.nonce).await?;
            self.profile(self.person(&discovery, &tokens, claims.person).await?)
        })
        .await
    }
}
