//! Accounts at other services: any OpenID Connect provider ([`Oidc`]), and GitHub ([`GitHub`]), which speaks OAuth 2.0 only.
//!
//! Nothing here follows a redirect, reads an answer of any length or waits for one longer than [`WHOLE`]; no text of a
//! provider, which may name a person, goes into an error or a log.

mod exchange;
mod github;
mod id_token;
mod jws;
mod oidc;

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystead_application::ports::SocialRequest;
use keystead_domain::SecretString;
use keystead_domain::social::{ProviderId, SocialSubject};
use ring::digest;
use url::Url;

pub use github::{GitHub, GitHubConfig};
pub use oidc::{Oidc, OidcConfig};

use crate::http::{ProviderConfigError, is_word};

/// The longest a call of the port takes, however many requests it needs.
const WHOLE: Duration = Duration::from_secs(10);

/// Who `sub` is at an issuer. It is unique there only: an operator who writes another issuer under a provider's name must not
/// give the accounts linked to the old one to whoever has the same `sub` at the new one.
fn subject_at(issuer: &str, sub: &str) -> Option<SocialSubject> {
    let hash = digest::digest(&digest::SHA256, issuer.as_bytes());
    let named = URL_SAFE_NO_PAD.encode(hash.as_ref().get(..12)?);
    let fits = (1..=255).contains(&sub.len());
    fits.then(|| SocialSubject::try_new(&format!("{named}.{sub}")).ok()).flatten()
}

/// What every provider is told about: this client of it.
#[derive(Clone)]
pub struct SocialClient {
    /// What the operator calls the provider.
    pub id: ProviderId,
    /// What people call it.
    pub display_name: String,
    /// `client_id`, as the provider gave it.
    pub client_id: String,
    /// `client_secret`; without one this is a public client, which PKCE alone protects.
    pub client_secret: Option<SecretString>,
    /// Where people come back to, as it is registered at the provider.
    pub redirect_uri: String,
    /// What is asked for; empty: the preset's own.
    pub scopes: Vec<String>,
    /// Whether the operator believes what the provider says about addresses.
    pub vouches_for_addresses: bool,
}

impl fmt::Debug for SocialClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocialClient").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SocialClient {
    fn check(&self) -> Result<(), ProviderConfigError> {
        if !is_word(&self.client_id) {
            return Err(ProviderConfigError::Malformed("client id"));
        }
        if self.client_secret.as_ref().is_some_and(|secret| !is_word(secret.expose())) {
            return Err(ProviderConfigError::Malformed("client secret"));
        }
        let fits = |scope: &String| is_word(scope) && !scope.contains(['"', '\\']);
        if !self.scopes.iter().all(fits) {
            return Err(ProviderConfigError::Malformed("scope"));
        }
        Ok(())
    }

    /// The scopes asked for, else these.
    fn scope(&self, preset: &str) -> String {
        if self.scopes.is_empty() { preset.to_owned() } else { self.scopes.join(" ") }
    }

    /// An authorization request (RFC 6749 section 4.1.1) with PKCE (RFC 7636 section 4.3).
    fn authorization(&self, endpoint: &Url, scope: &str, request: &SocialRequest) -> Url {
        let mut url = endpoint.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", scope)
            .append_pair("state", request.state.expose())
            .append_pair("code_challenge", &challenge(&request.code_verifier))
            .append_pair("code_challenge_method", "S256");
        url
    }
}

/// `code_challenge` of the method S256 (RFC 7636 section 4.2).
fn challenge(verifier: &SecretString) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.expose().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_rfc_7636_appendix_b() {
        let verifier = SecretString::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned());
        assert_eq!(challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
