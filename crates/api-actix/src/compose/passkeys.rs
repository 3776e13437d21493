//! The relying party of passkeys, from the configuration.

use std::sync::Arc;

use keystead_adapters_webauthn::WebAuthn;
use keystead_application::ports::PasskeyVerifier;
use url::Url;

use super::{ComposeError, broken};
use crate::config::{Config, RelyingParty};

/// The checks of passkeys. Where browsers permit none (without https, at an address of numbers) it is a relying party
/// whose page nobody can open, and routes do not ask it.
pub(super) fn verifier(config: &Config) -> Result<Arc<dyn PasskeyVerifier>, ComposeError> {
    let party = match config.relying_party() {
        Some(party) => party,
        None => nobodys().map_err(broken)?,
    };
    let verifier = WebAuthn::try_new(&party.id, &party.name, &party.origins);
    Ok(Arc::new(verifier.map_err(|error| broken(format!("passkeys: {error}")))?))
}

/// `invalid` is reserved: no name below it ever exists (RFC 2606 section 2).
fn nobodys() -> Result<RelyingParty, url::ParseError> {
    let origins = vec![Url::parse("https://passkeys.invalid")?];
    Ok(RelyingParty { id: "passkeys.invalid".into(), name: "nobody".into(), origins })
}
