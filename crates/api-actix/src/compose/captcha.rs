//! What a captcha is asked for, and who checks it.

use std::sync::Arc;

use keystead_adapters_crypto::Argon2Hasher;
use keystead_adapters_providers::{SiteVerify, SiteVerifyConfig, SiteVerifyTools};
use keystead_application::captcha::{CaptchaDesk, CaptchaGate, HashingLoad, LoadGauge, ProofOfWork, ProofOfWorkTools};
use keystead_application::ports::CaptchaVerifier;

use super::{ComposeError, Ports, Stores, broken};
use crate::config::{CaptchaProvider, Config};
use crate::services::CaptchaSource;

/// What clients are told about captchas, and who checks them.
pub(super) struct Captchas {
    pub source: CaptchaSource,
    pub verifier: Option<Arc<dyn CaptchaVerifier>>,
}

/// How many passwords wait in this process.
pub(super) fn load(hasher: &Arc<Argon2Hasher>) -> LoadGauge {
    let hasher = Arc::clone(hasher);
    Arc::new(move || HashingLoad { queued: hasher.queued(), room: hasher.room() })
}

/// Sets up the configured captcha.
pub(super) fn captchas(
    config: &Config,
    ports: &Ports,
    stores: &Stores,
    load: LoadGauge,
) -> Result<Captchas, ComposeError> {
    let Ports { hash, clock, entropy, .. } = ports;
    match &config.captcha.provider {
        CaptchaProvider::Off => Ok(Captchas { source: CaptchaSource::Off, verifier: None }),
        CaptchaProvider::ProofOfWork { difficulty } => {
            let tools = ProofOfWorkTools {
                hash: hash.clone(),
                ceremonies: stores.ceremonies.clone(),
                limiter: stores.limiter.clone(),
                clock: clock.clone(),
                entropy: entropy.clone(),
                load,
            };
            let work = Arc::new(ProofOfWork::new(tools, *difficulty));
            Ok(Captchas { source: CaptchaSource::ProofOfWork(work.clone()), verifier: Some(work) })
        }
        CaptchaProvider::SiteVerify(site) => {
            let tools =
                SiteVerifyTools { ceremonies: stores.ceremonies.clone(), hash: hash.clone(), clock: clock.clone() };
            let asked = SiteVerifyConfig {
                url: site.url.as_str().to_owned(),
                secret: site.secret.clone(),
                hostnames: site.hostnames.clone(),
                min_score: site.min_score,
            };
            let verifier = SiteVerify::new(asked, tools).map_err(|error| broken(format!("captcha: {error}")))?;
            let source = CaptchaSource::Site { provider: site.name(), site_key: site.site_key.clone() };
            Ok(Captchas { source, verifier: Some(Arc::new(verifier)) })
        }
    }
}

/// The gate in front of what is worth one.
pub(super) fn gate(
    config: &Config,
    ports: &Ports,
    stores: &Stores,
    verifier: Option<Arc<dyn CaptchaVerifier>>,
) -> Arc<CaptchaGate> {
    let desk = CaptchaDesk {
        store: stores.store.clone(),
        ceremonies: stores.ceremonies.clone(),
        hash: ports.hash.clone(),
        clock: ports.clock.clone(),
    };
    Arc::new(CaptchaGate::new(verifier, config.captcha.actions.clone(), desk))
}
