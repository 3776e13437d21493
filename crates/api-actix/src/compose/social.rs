//! Where people may have accounts that open theirs here, from the configuration.

use std::sync::Arc;
use std::time::Duration;

use keystead_adapters_providers::{GitHub, GitHubConfig, Oidc, OidcConfig, SocialClient};
use keystead_application::ports::{Clock, SocialProvider};

use super::{ComposeError, broken};
use crate::config::{Config, SocialPreset, SocialProviderConfig};

/// How long a connection to a provider may take.
const CONNECT: Duration = Duration::from_secs(3);

/// The providers, as configured. None is connected to before somebody asks for it.
pub(super) fn providers(config: &Config, clock: &Arc<dyn Clock>) -> Result<Vec<Arc<dyn SocialProvider>>, ComposeError> {
    config.social.providers.iter().map(|provider| one(config, provider, clock)).collect()
}

fn one(
    config: &Config,
    provider: &SocialProviderConfig,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn SocialProvider>, ComposeError> {
    let client = SocialClient {
        id: provider.id.clone(),
        display_name: provider.display_name.clone(),
        client_id: provider.client_id.clone(),
        client_secret: provider.client_secret.clone(),
        redirect_uri: format!("{}/api/v1/social/{}/callback", config.http.public_url, provider.id),
        scopes: provider.scopes.clone(),
        vouches_for_addresses: provider.vouches_for_addresses,
    };
    let unusable = |error| broken(format!("social.{}: {error}", provider.id));
    Ok(match provider.preset {
        SocialPreset::Oidc => {
            let oidc = OidcConfig { client, issuer: provider.issuer.clone(), connect_timeout: CONNECT };
            Arc::new(Oidc::new(oidc, Arc::clone(clock)).map_err(unusable)?)
        }
        SocialPreset::GitHub => {
            let (base_url, api_url) = (provider.issuer.clone(), api_of(&provider.issuer));
            let github = GitHubConfig { client, base_url, api_url, connect_timeout: CONNECT };
            Arc::new(GitHub::new(github).map_err(unusable)?)
        }
    })
}

/// GitHub's interface for programs has a host of its own, that of an Enterprise Server a path.
fn api_of(base: &str) -> String {
    let base = base.trim_end_matches('/');
    if base == "https://github.com" { "https://api.github.com".to_owned() } else { format!("{base}/api/v3") }
}
