//! The one place that joins use-cases with adapters. Nothing else names an adapter.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keystead_adapters_crypto::{
    Argon2Config, Argon2Hasher, JoseKeyRing, KeyRingConfig, MasterKeySealer, OsEntropy, SettableClock,
    SigningAlgorithm, SystemClock,
};
use keystead_adapters_smtp::{DevMailbox, SmtpConfig, SmtpMailer, SmtpSecurity, Templates, TemplatesConfig};
use keystead_adapters_sqlite::{LocalRevocationFeed, SqliteConfig, SqliteDatabase, Synchronous};
use keystead_application::account::{
    ActivateAccount, BeginReset, ChangeDesk, ChangePassword, DeactivateAccount, ExportAccount, ForgotPassword,
    ReadProfile, RegisterUser, RegistrationDesk, ResendCode, ResetPassword, UpdateProfile, VerifyRegistration,
};
use keystead_application::operation::{DeliverMail, Housekeeping, KeyKeeper, MailPolicy, Operator};
use keystead_application::ports::{
    CeremonyStore, Clock, Entropy, EphemeralError, KeyRing, KeyedHash, MailRenderer, Mailer, PasswordHasher,
    RateLimiter, RevocationFeed, Sealer, SessionStore, Store, TokenSigner, TokenVerifier,
};
use keystead_application::random;
use keystead_application::revocation::{AccessGate, RevocationKeeper, RevocationView};
use keystead_application::service::{GuessGuard, OneTimeCodes, Postbox, Revoker, TokenIssuer};
use keystead_application::session::{
    EndSessions, ExchangeRefreshToken, LastSeen, Login, LoginDesk, Reauthenticate, RefreshDesk, RefreshSession,
    SessionOverview, Standing,
};
use keystead_application::settings::{AccountLimits, Lifetimes, Settings};
use keystead_domain::limits::{self, RatePolicy};
use keystead_domain::token::RefreshPolicy;
use keystead_domain::{SecretString, Timestamp};
use thiserror::Error;

use crate::config::{self, Algorithm, Config, LimitsMode, MailTransport};
use crate::routes::dev::{DevMail, DevTools, DevToolsHandle};
use crate::services::Services;

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
    /// What it reads into.
    pub view: Arc<RevocationView>,
    /// Sends mail; `None` when mail is off.
    pub mail: Option<DeliverMail>,
    /// Re-reads keys.
    pub keys: Arc<KeyKeeper>,
    /// Deletes what lapsed.
    pub housekeeping: Housekeeping,
    /// When sessions were last seen, collected.
    pub seen: Arc<LastSeen>,
    /// Where that is written.
    pub sessions: Arc<dyn SessionStore>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Deletes lapsed passing state.
    pub garbage: Garbage,
}

/// Deletes sessions, ceremonies and rate windows that lapsed.
pub struct Garbage(SqliteDatabase);

impl Garbage {
    /// Runs one round.
    pub async fn collect(&self, now: Timestamp) -> Result<(), EphemeralError> {
        self.0.collect_garbage(now).await.map(|_| ())
    }
}

/// Figures of the password hasher, for metrics.
pub trait HashingFigures: Send + Sync {
    /// Hashes running now.
    fn running(&self) -> usize;
    /// Hashes waiting now.
    fn queued(&self) -> usize;
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

    fn total(&self) -> u64 {
        Self::total(self)
    }
}

/// The adapters, as ports.
struct Ports {
    store: Arc<dyn Store>,
    sessions: Arc<dyn SessionStore>,
    ceremonies: Arc<dyn CeremonyStore>,
    limiter: Arc<dyn RateLimiter>,
    feed: Arc<dyn RevocationFeed>,
    hasher: Arc<dyn PasswordHasher>,
    ring: Arc<dyn KeyRing>,
    signer: Arc<dyn TokenSigner>,
    verifier: Arc<dyn TokenVerifier>,
    hash: Arc<dyn KeyedHash>,
    sealer: Arc<dyn Sealer>,
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

/// Checks the signature of any compact JWS with a JWK set. Returns header and payload, as text.
pub fn verify_jws(jwks: &[u8], token: &str) -> Result<(String, String), ComposeError> {
    keystead_adapters_crypto::verify_jws(jwks, token).map_err(broken)
}

/// Brings the database to this version's form. Returns the names of the migrations it applied.
pub fn migrate(config: &Config) -> Result<Vec<String>, ComposeError> {
    SqliteDatabase::migrate(&sqlite(config)).map_err(broken)
}

/// Migrations the database does not have yet.
pub fn pending_migrations(config: &Config) -> Result<Vec<String>, ComposeError> {
    SqliteDatabase::pending_migrations(&sqlite(config)).map_err(broken)
}

fn sqlite(config: &Config) -> SqliteConfig {
    let synchronous = match config.store.synchronous {
        config::Synchronous::Full => Synchronous::Full,
        config::Synchronous::Normal => Synchronous::Normal,
    };
    SqliteConfig {
        synchronous,
        acquire_timeout: config.store.acquire_timeout,
        ..SqliteConfig::new(&config.store.sqlite_path)
    }
}

/// Puts the service together. Opens and migrates the database, which blocks for some milliseconds.
pub fn compose(config: &Config) -> Result<Composed, ComposeError> {
    let dev_clock = config.dev.then(|| Arc::new(SettableClock::new()));
    let clock: Arc<dyn Clock> = match &dev_clock {
        Some(clock) => Arc::clone(clock) as Arc<dyn Clock>,
        None => Arc::new(SystemClock),
    };
    let database = SqliteDatabase::open(&sqlite(config)).map_err(broken)?;
    let entropy = entropy();
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
    let feed_id = random::secret(&*entropy).expose().to_owned();
    let ports = Ports {
        store: Arc::new(database.store()),
        sessions: Arc::new(database.sessions()),
        ceremonies: Arc::new(database.ceremonies()),
        limiter: Arc::new(database.rate_limiter()),
        feed: Arc::new(LocalRevocationFeed::new(feed_id)),
        hasher: Arc::clone(&hasher) as Arc<dyn PasswordHasher>,
        ring: Arc::clone(&ring) as Arc<dyn KeyRing>,
        signer: Arc::clone(&ring) as Arc<dyn TokenSigner>,
        verifier: Arc::clone(&ring) as Arc<dyn TokenVerifier>,
        hash: ring,
        sealer,
        entropy,
        clock: Arc::clone(&clock),
    };
    let mailbox = Arc::new(DevMailbox::new(Arc::clone(&clock)));
    let (mailer, sender_domain) = mailer(config, &mailbox, &clock)?;
    let dev = dev_clock.map(|clock| Arc::new(Tools { mailbox, clock }) as DevToolsHandle);
    let mail = match mailer {
        Some(mailer) => Some((mailer, renderer(config, sender_domain)?)),
        None => None,
    };
    let (services, background) = join(config, ports, mail, Garbage(database));
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

type MailerAndDomain = (Option<Arc<dyn Mailer>>, String);

fn mailer(config: &Config, mailbox: &Arc<DevMailbox>, clock: &Arc<dyn Clock>) -> Result<MailerAndDomain, ComposeError> {
    match &config.mail.transport {
        MailTransport::Off => Ok((None, "localhost".into())),
        MailTransport::DevMailbox => Ok((Some(Arc::clone(mailbox) as Arc<dyn Mailer>), "localhost".into())),
        MailTransport::Smtp(smtp) => {
            let security = match smtp.security {
                config::SmtpSecurity::StartTls => SmtpSecurity::StartTls,
                config::SmtpSecurity::Implicit => SmtpSecurity::ImplicitTls,
                config::SmtpSecurity::Plain => SmtpSecurity::None,
            };
            let extra_ca_pem = match &smtp.extra_ca_file {
                Some(path) => Some(read(path)?),
                None => None,
            };
            let settings = SmtpConfig {
                credentials: smtp.credentials.clone(),
                from_name: smtp.from_name.clone(),
                extra_ca_pem,
                ..SmtpConfig::new(&smtp.host, smtp.port, security, smtp.from.clone())
            };
            let domain = smtp.from.as_str().rsplit_once('@').map_or("", |(_, domain)| domain).to_owned();
            let mailer =
                SmtpMailer::new(settings, Arc::clone(clock)).map_err(|error| broken(format!("mail: {error}")))?;
            Ok((Some(Arc::new(mailer)), domain))
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ComposeError> {
    fs::read(path).map_err(|error| broken(format!("{}: {error}", path.display())))
}

fn renderer(config: &Config, sender_domain: String) -> Result<Arc<dyn MailRenderer>, ComposeError> {
    let templates = Templates::new(TemplatesConfig {
        product_name: config.mail.product_name.clone(),
        sender_domain,
        override_dir: config.mail.templates_dir.clone(),
    });
    Ok(Arc::new(templates.map_err(broken)?))
}

/// What an operator's figures mean to the use-cases.
fn settings(config: &Config) -> Settings {
    let off = config.limits.mode == LimitsMode::Off;
    let policy = |policy: RatePolicy| {
        let policy = config.limits.policy(&policy);
        if off { RatePolicy { limit: u32::MAX, ..policy } } else { policy }
    };
    let refresh = policy(limits::REFRESH);
    Settings {
        public_url: config.http.public_url.as_str().to_owned(),
        registration_open: config.registration.open,
        passwords: config.passwords.policy(),
        lifetimes: Lifetimes {
            access: config.tokens.access_life,
            session: config.tokens.session_life,
            refresh: RefreshPolicy {
                grace: limits::REFRESH_GRACE,
                idle: config.tokens.session_idle,
                rotations: refresh.limit,
                rotation_window: refresh.window,
            },
        },
        limits: AccountLimits {
            login: policy(limits::LOGIN_ACCOUNT),
            forgot: policy(limits::FORGOT_ACCOUNT),
            password_change: policy(limits::PASSWORD_CHANGE),
            reauth: policy(limits::REAUTH),
            account_exists: policy(limits::ACCOUNT_EXISTS),
            code_resend: policy(limits::CODE_RESEND),
        },
    }
}

/// Joins ports and use-cases.
#[expect(clippy::too_many_lines, reason = "one use-case after the other; cutting it would hide the list")]
fn join(
    config: &Config,
    ports: Ports,
    mail: Option<(Arc<dyn Mailer>, Arc<dyn MailRenderer>)>,
    garbage: Garbage,
) -> (Services, Background) {
    let Ports {
        store,
        sessions,
        ceremonies,
        limiter,
        feed,
        hasher,
        ring,
        signer,
        verifier,
        hash,
        sealer,
        entropy,
        clock,
    } = ports;
    let settings = Arc::new(settings(config));
    let lifetimes = settings.lifetimes.clone();
    let view = Arc::new(RevocationView::default());
    let revoker = Arc::new(Revoker::new(Arc::clone(&view), feed));
    let seen = Arc::new(LastSeen::default());
    let postbox = Arc::new(Postbox::new(sealer.clone(), entropy.clone()));
    let guard = GuessGuard::new(hash.clone());
    let issuer = Arc::new(TokenIssuer::new(signer.clone(), hash.clone(), entropy.clone(), lifetimes.clone()));
    let codes = Arc::new(OneTimeCodes::new(ceremonies.clone(), store.clone(), hash.clone(), entropy.clone()));
    let gate =
        Arc::new(AccessGate::new(verifier, hash.clone(), clock.clone(), view.clone(), store.clone(), seen.clone()));
    let standing = Standing::new(view.clone(), store.clone());
    let registration = RegistrationDesk { postbox: postbox.clone(), guard: guard.clone(), settings: settings.clone() };
    let desk = LoginDesk { postbox: postbox.clone(), guard: guard.clone(), settings };
    let change = ChangeDesk { login: desk.clone(), revoker: revoker.clone() };
    let refresh = RefreshDesk { standing: standing.clone(), postbox: postbox.clone(), revoker: revoker.clone() };
    let keys = Arc::new(KeyKeeper::new(store.clone(), ring, clock.clone(), lifetimes.access, lifetimes.session));
    let (s, n, h, c, i) = (&store, &sessions, &hasher, &clock, &issuer);
    let services = Services {
        register: RegisterUser::new(s.clone(), h.clone(), c.clone(), i.clone(), codes.clone(), registration.clone()),
        verify_registration: VerifyRegistration::new(s.clone(), n.clone(), c.clone(), i.clone(), codes.clone(), guard),
        resend_code: ResendCode::new(s.clone(), c.clone(), i.clone(), codes, registration),
        login: Login::new(s.clone(), n.clone(), h.clone(), c.clone(), i.clone(), desk.clone()),
        reauthenticate: Reauthenticate::new(s.clone(), n.clone(), h.clone(), c.clone(), i.clone(), desk.clone()),
        activate: ActivateAccount::new(s.clone(), n.clone(), h.clone(), c.clone(), i.clone(), desk.clone()),
        refresh: RefreshSession::new(n.clone(), s.clone(), c.clone(), i.clone(), hash.clone(), refresh),
        exchange: ExchangeRefreshToken::new(n.clone(), c.clone(), i.clone(), gate.clone(), standing),
        end_sessions: EndSessions::new(s.clone(), n.clone(), c.clone(), i.clone(), revoker.clone()),
        forgot_password: ForgotPassword::new(s.clone(), c.clone(), i.clone(), desk.clone()),
        begin_reset: BeginReset::new(s.clone(), c.clone(), i.clone()),
        reset_password: ResetPassword::new(s.clone(), n.clone(), h.clone(), c.clone(), revoker, desk),
        change_password: ChangePassword::new(s.clone(), n.clone(), h.clone(), c.clone(), i.clone(), change.clone()),
        read_profile: ReadProfile::new(s.clone()),
        update_profile: UpdateProfile::new(s.clone(), c.clone()),
        deactivate: DeactivateAccount::new(s.clone(), n.clone(), c.clone(), change.clone()),
        export: ExportAccount::new(s.clone(), n.clone(), c.clone()),
        overview: SessionOverview::new(s.clone(), n.clone(), c.clone(), lifetimes.refresh),
        operator: Operator::new(s.clone(), n.clone(), h.clone(), c.clone(), i.clone(), change),
        gate,
        keys: keys.clone(),
        signer,
        store: s.clone(),
        limiter,
        ceremonies,
        clock: c.clone(),
        entropy,
        hash,
        sealer,
    };
    let mail = mail.map(|(mailer, renderer)| {
        DeliverMail::new(s.clone(), mailer, renderer, postbox, c.clone(), MailPolicy::default())
    });
    let background = Background {
        revocations: RevocationKeeper::new(s.clone(), c.clone(), view.clone()),
        housekeeping: Housekeeping::new(s.clone(), c.clone(), view.clone()),
        view,
        mail,
        keys,
        seen,
        sessions: n.clone(),
        clock: c.clone(),
        garbage,
    };
    (services, background)
}

/// The mailbox and the clock of `keystead dev`.
struct Tools {
    mailbox: Arc<DevMailbox>,
    clock: Arc<SettableClock>,
}

impl DevTools for Tools {
    fn mails(&self, to: Option<&str>) -> Vec<DevMail> {
        let mails = self.mailbox.messages(to).into_iter();
        mails
            .map(|mail| DevMail {
                id: mail.id,
                to: mail.to,
                subject: mail.subject,
                text: SecretString::new(mail.text),
                html: SecretString::new(mail.html),
                created_at: mail.created_at,
            })
            .collect()
    }

    fn clear_mails(&self) {
        self.mailbox.clear();
    }

    fn advance_clock(&self, span: Duration) {
        self.clock.advance(span);
    }
}
