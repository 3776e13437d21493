//! Accounts elsewhere, at a real OpenID Connect provider (`provider/`, the npm package `oidc-provider`).

mod attacks;
mod browser;
mod links;
mod preregistered;
mod provider;
mod sessions;
mod story;

use keystead_api_actix::config::{SocialPreset, SocialProviderConfig};
use keystead_domain::SecretString;
use keystead_domain::social::ProviderId;

use crate::support::{Anonymous, Answer, Arrived, Service};
use provider::{Account, Provider};

/// A service whose providers `idp` and `other` are the real one.
async fn start() -> (Service, &'static Provider) {
    start_with(|_| ()).await
}

async fn start_with(change: impl FnOnce(&mut SocialProviderConfig)) -> (Service, &'static Provider) {
    let provider = Provider::running();
    let mut idp = configured(provider, "idp", "RS256");
    change(&mut idp);
    let other = configured(provider, "other", "ES256");
    let builder = Service::builder().configured(|config| config.social.providers = vec![idp, other]);
    (builder.start().await, provider)
}

fn configured(provider: &Provider, id: &str, algorithm: &str) -> SocialProviderConfig {
    SocialProviderConfig {
        id: ProviderId::try_new(id).unwrap(),
        preset: SocialPreset::Oidc,
        issuer: provider.issuer.clone(),
        display_name: format!("The {id}"),
        client_id: format!("keystead-{algorithm}"),
        client_secret: Some(SecretString::new("a-secret:+/%?&=".to_owned())),
        scopes: Vec::new(),
        vouches_for_addresses: true,
    }
}

/// Somebody comes with an account at `idp`.
async fn come(client: &Anonymous, provider: &Provider, account: &Account) -> Answer<Arrived> {
    let flow = client.begin_social("idp").await?;
    let back = provider.visit(&flow.url, account).await;
    flow.complete(&back).await
}
