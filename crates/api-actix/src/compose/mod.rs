//! The one place that joins use-cases with adapters. Nothing else names an adapter.

mod attendance;
mod captcha;
mod desks;
mod examine;
mod mail;
mod passkeys;
mod social;
mod stores;
mod transfer;
mod use_cases;

use std::sync::Arc;

use keystead_adapters_crypto::{
    Argon2Config, Argon2Hasher, ForeignHashes, JoseKeyRing, KeyRingConfig, MasterKeySealer, OsEntropy, SettableClock,
    SigningAlgorithm, Srp, SystemClock, Totp,
};
use keystead_adapters_smtp::DevMailbox;
use keystead_application::audit::{LinkAudit, PruneAudit};
use keystead_application::factor::ResealFactors;
use keystead_application::operation::{DeliverMail, Housekeeping, KeyKeeper, PurgeAccounts, RemindOnSchedule};
use keystead_application::ports::{
    Clock, Entropy, KeyRing, KeyedHash, PasskeyVerifier, PasswordHasher, PasswordImport, Sealer, SessionStore,
    SocialProvider, SrpServer, TokenSigner, TokenVerifier, TotpAlgorithm, Vault,
};
use keystead_application::revocation::{RevocationKeeper, RevocationListener, RevocationView};
use keystead_application::session::LastSeen;
use thiserror::Error;

use crate::config::{Algorithm, Config};
use crate::routes::dev::DevToolsHandle;
use crate::services::Services;
pub use examine::{Finding, examine};
pub use mail::examine_templates;
use mail::{Tools, post};
use stores::Stores;
pub use stores::{Garbage, Purpose, migrate, migrate_to, pending_migrations};
pub use transfer::{Moved, transfer};
use use_cases::join;

/// Verified access tokens that are remembered; about 700 bytes each.
const SIGNATURE_CACHE: u64 = 200_000;

/// The service could not be put together. The text says what to mend.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct ComposeError(pub String);

fn broken(error: impl std::fmt::Display) -> ComposeError {
    ComposeError(error.to_string())
}

/// A service, ready to be served.
pub struct Composed {
    /// The use-cases.
    pub services: Arc<Services>,
    /// What runs beside requests.
    pub background: Background,
    /// In `keystead dev`: the mailbox and the clock.
    pub dev: Option<DevToolsHandle>,
    /// Figures of the password hasher.
    pub hashing: Arc<dyn HashingFigures>,
}

/// What runs beside requests; [`crate::worker`] drives it.
pub struct Background {
    /// Reads the revocation log.
    pub revocations: RevocationKeeper,
    /// Hears of revocations by other replicas before the log is read.
    pub listener: RevocationListener,
    /// What it reads into.
    pub view: Arc<RevocationView>,
    /// Sends mail; `None` when mail is off.
    pub mail: Option<DeliverMail>,
    /// Re-reads keys.
    pub keys: Arc<KeyKeeper>,
    /// Seals what was sealed under older keys.
    pub reseal: Arc<ResealFactors>,
    /// Deletes what lapsed.
    pub housekeeping: Housekeeping,
    /// Links audit events into the chain.
    pub link_audit: LinkAudit,
    /// Deletes audit events that are kept no longer.
    pub prune_audit: PruneAudit,
    /// Deletes accounts that their owners closed long ago.
    pub purge: PurgeAccounts,
    /// Reminds people to check out; `None` when nobody is to be.
    pub reminders: Option<RemindOnSchedule>,
    /// When sessions were last seen, collected.
    pub seen: Arc<LastSeen>,
    /// Where that is written.
    pub sessions: Arc<dyn SessionStore>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Deletes lapsed passing state.
    pub garbage: Garbage,
    /// Whether no other process sends mail from this store.
    pub is_alone: bool,
}

/// Figures of the password hasher, for metrics.
pub trait HashingFigures: Send + Sync {
    /// Hashes running now.
    fn running(&self) -> usize;
    /// Hashes waiting now.
    fn queued(&self) -> usize;
    /// Hashes that may wait at most.
    fn room(&self) -> usize;
    /// Hashes since the start.
    fn total(&self) -> u64;
}

impl HashingFigures for Argon2Hasher {
    fn running(&self) -> usize {
        Self::running(self)
    }

    fn queued(&self) -> usize {
        Self::queued(self)
    }

    fn room(&self) -> usize {
        Self::room(self)
    }

    fn total(&self) -> u64 {
        Self::total(self)
    }
}

/// The adapters that keep nothing, as ports.
struct Ports {
    hasher: Arc<dyn PasswordHasher>,
    ring: Arc<dyn KeyRing>,
    signer: Arc<dyn TokenSigner>,
    verifier: Arc<dyn TokenVerifier>,
    hash: Arc<dyn KeyedHash>,
    sealer: Arc<dyn Sealer>,
    vault: Arc<dyn Vault>,
    srp: Arc<dyn SrpServer>,
    totp: Arc<dyn TotpAlgorithm>,
    passkeys: Arc<dyn PasskeyVerifier>,
    social: Vec<Arc<dyn SocialProvider>>,
    entropy: Arc<dyn Entropy>,
    clock: Arc<dyn Clock>,
}

/// Random bytes for a new secret, before there is a service.
pub fn fresh_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    OsEntropy.fill(&mut bytes);
    bytes
}

/// Randomness, for what is made before there is a service.
pub fn entropy() -> Arc<dyn Entropy> {
    Arc::new(OsEntropy)
}

/// Reads password hashes of other systems.
pub fn password_import() -> Arc<dyn PasswordImport> {
    Arc::new(ForeignHashes)
}

/// Checks the signature of any compact JWS with a JWK set. Returns header and payload, as text.
pub fn verify_jws(jwks: &[u8], token: &str) -> Result<(String, String), ComposeError> {
    keystead_adapters_crypto::verify_jws(jwks, token).map_err(broken)
}

/// Puts the service together. Opens and migrates the database, which blocks for some milliseconds.
pub fn compose(config: &Config) -> Result<Composed, ComposeError> {
    compose_for(config, Purpose::Serving)
}

/// [`compose`] for one purpose.
pub fn compose_for(config: &Config, purpose: Purpose) -> Result<Composed, ComposeError> {
    let dev_clock = config.dev.then(|| Arc::new(SettableClock::new()));
    let clock: Arc<dyn Clock> = match &dev_clock {
        Some(clock) => Arc::clone(clock) as Arc<dyn Clock>,
        None => Arc::new(SystemClock),
    };
    let entropy = entropy();
    let stores = stores::open(config, &*entropy, purpose)?;
    let sealer: Arc<dyn Sealer> =
        Arc::new(MasterKeySealer::try_new(&config.secrets.master_key, Arc::clone(&entropy)).map_err(broken)?);
    let ring =
        Arc::new(JoseKeyRing::new(ring_config(config), Arc::clone(&sealer), Arc::clone(&entropy), Arc::clone(&clock)));
    let argon2 = config.passwords.argon2;
    let hasher = Argon2Config {
        memory_kib: argon2.memory_kib,
        passes: argon2.passes,
        lanes: argon2.lanes,
        permits: argon2.permits,
        queue: argon2.queue,
    };
    let hasher = Arc::new(Argon2Hasher::try_new(hasher, Arc::clone(&entropy)).map_err(broken)?);
    let ports = Ports {
        hasher: Arc::clone(&hasher) as Arc<dyn PasswordHasher>,
        ring: Arc::clone(&ring) as Arc<dyn KeyRing>,
        signer: Arc::clone(&ring) as Arc<dyn TokenSigner>,
        verifier: Arc::clone(&ring) as Arc<dyn TokenVerifier>,
        hash: Arc::clone(&ring) as Arc<dyn KeyedHash>,
        sealer,
        vault: ring,
        srp: Arc::new(Srp::new(hasher.pool(), Arc::clone(&entropy))),
        totp: Arc::new(Totp),
        passkeys: passkeys::verifier(config)?,
        social: social::providers(config, &clock)?,
        entropy,
        clock: Arc::clone(&clock),
    };
    let mailbox = dev_mailbox(config, &clock)?;
    let post = post(config, &mailbox, &clock)?;
    let dev = dev_clock.map(|clock| Arc::new(Tools { mailbox, clock }) as DevToolsHandle);
    let captchas = captcha::captchas(config, &ports, &stores, captcha::load(&hasher))?;
    let (services, background) = join(config, ports, stores, post, captchas);
    Ok(Composed { services: Arc::new(services), background, dev, hashing: hasher })
}

fn ring_config(config: &Config) -> KeyRingConfig {
    let algorithm = match config.tokens.algorithm {
        Algorithm::EdDsa => SigningAlgorithm::EdDsa,
        Algorithm::Hs384 => SigningAlgorithm::Hs384,
        Algorithm::Es512 => SigningAlgorithm::Es512,
    };
    KeyRingConfig {
        issuer: config.tokens.issuer.clone(),
        access_audience: config.tokens.audience.clone(),
        self_audience: format!("{}/api/v1/auth", config.tokens.issuer),
        algorithm,
        cache_capacity: SIGNATURE_CACHE,
    }
}

/// The mailbox of `keystead dev` lies in its directory and survives with it; elsewhere it stays empty.
fn dev_mailbox(config: &Config, clock: &Arc<dyn Clock>) -> Result<Arc<DevMailbox>, ComposeError> {
    let Some(directory) = &config.data_dir else {
        return Ok(Arc::new(DevMailbox::new(Arc::clone(clock))));
    };
    let file = directory.join("mailbox.jsonl");
    let mailbox = DevMailbox::open(Arc::clone(clock), &file);
    Ok(Arc::new(mailbox.map_err(|error| broken(format!("{}: {error}", file.display())))?))
}
