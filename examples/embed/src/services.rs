//! The composition: which adapter stands behind which port, and which use-cases there are.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use keystead_adapters_crypto::{
    Argon2Config, Argon2Hasher, JoseKeyRing, KeyRingConfig, MasterKeySealer, OsEntropy, SigningAlgorithm, SystemClock,
};
use keystead_adapters_sqlite::{LocalRevocationFeed, SqliteConfig, SqliteDatabase};
use keystead_application::account::{RegisterUser, RegistrationDesk, VerifyRegistration};
use keystead_application::audit::{LinkAudit, SealingStore};
use keystead_application::operation::{Channels, DeliverMail, KeyKeeper, MailPolicy};
use keystead_application::ports::{Clock, Entropy, PasswordHasher, Sealer, SessionStore, Store};
use keystead_application::revocation::{AccessGate, RevocationKeeper, RevocationView};
use keystead_application::service::{
    GuessGuard, OneTimeCodes, Postbox, Revoker, Secrets, SessionOpener, SignInDesk, TokenIssuer,
};
use keystead_application::session::{EndSessions, LastSeen, Login};
use keystead_application::settings::Settings;
use keystead_domain::{SecretBytes, limits};

use crate::mail::{Printer, Sentences};

/// The use-cases this program has a use for.
pub(crate) struct Services {
    pub(crate) register: RegisterUser,
    pub(crate) verify_registration: VerifyRegistration,
    pub(crate) login: Login,
    pub(crate) end_sessions: EndSessions,
    pub(crate) gate: Arc<AccessGate>,
    pub(crate) keys: Arc<KeyKeeper>,
}

/// What runs beside requests.
pub(crate) struct Background {
    mail: DeliverMail,
    revocations: RevocationKeeper,
    audit: LinkAudit,
    keys: Arc<KeyKeeper>,
}

/// Joins adapters and use-cases. Everything is kept in `folder`.
pub(crate) fn compose(folder: &Path) -> Result<(Services, Background), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let master_key = master_key(&folder.join("master.key"), &*entropy)?;
    let sealer: Arc<dyn Sealer> = Arc::new(MasterKeySealer::try_new(&master_key, entropy.clone())?);

    // The embedded store: one file behind four ports.
    let database = SqliteDatabase::open(&SqliteConfig::new(folder.join("embed.sqlite")))?;
    let sessions: Arc<dyn SessionStore> = Arc::new(database.sessions());
    let feed = Arc::new(LocalRevocationFeed::new("embed".into()));

    let ring = KeyRingConfig {
        issuer: "https://embed.example".into(),
        access_audience: "embed".into(),
        self_audience: "https://embed.example/half-way".into(),
        algorithm: SigningAlgorithm::EdDsa,
        cache_capacity: 1000,
    };
    let ring = Arc::new(JoseKeyRing::new(ring, sealer.clone(), entropy.clone(), clock.clone()));
    // Audit events are sealed where they are written, and linked beside the requests.
    let store = SealingStore::new(Arc::new(database.store()), ring.clone(), entropy.clone());
    let store: Arc<dyn Store> = Arc::new(store);
    let argon2 = Argon2Config {
        memory_kib: limits::ARGON2_MEMORY_KIB,
        passes: limits::ARGON2_PASSES,
        lanes: limits::ARGON2_LANES,
        permits: 1,
        queue: limits::HASH_QUEUE_PER_PERMIT,
    };
    let hasher: Arc<dyn PasswordHasher> = Arc::new(Argon2Hasher::try_new(argon2, entropy.clone())?);

    // What several use-cases share.
    let settings = Arc::new(Settings::default());
    let (access_life, session_life) = (settings.lifetimes.access, settings.lifetimes.session);
    let view = Arc::new(RevocationView::default());
    let revoker = Arc::new(Revoker::new(view.clone(), feed));
    let postbox = Arc::new(Postbox::new(sealer, entropy.clone()));
    let secrets = Secrets::new(hasher.clone(), ring.clone());
    let guard = GuessGuard::new(ring.clone());
    let lifetimes = settings.lifetimes.clone();
    let issuer = TokenIssuer::new(ring.clone(), ring.clone(), entropy.clone(), view.clone(), lifetimes);
    let issuer = Arc::new(issuer);
    let codes = Arc::new(OneTimeCodes::new(Arc::new(database.ceremonies()), store.clone(), ring.clone(), entropy));
    let seen = Arc::new(LastSeen::default());
    let gate = AccessGate::new(ring.clone(), ring.clone(), clock.clone(), view.clone(), store.clone(), seen);
    let audit = LinkAudit::new(store.clone(), ring.clone(), clock.clone());
    let keys = Arc::new(KeyKeeper::new(store.clone(), ring, clock.clone(), access_life, session_life));
    let registration = RegistrationDesk { postbox: postbox.clone(), guard: guard.clone(), settings: settings.clone() };
    let opener = SessionOpener::new(store.clone(), sessions.clone(), revoker.clone(), settings.clone());
    // The one door of every sign-in. Nobody enrols a second factor here, so it asks for none.
    let desk = SignInDesk {
        sessions: opener.clone(),
        issuer: issuer.clone(),
        codes: codes.clone(),
        postbox: postbox.clone(),
        guard: guard.clone(),
        settings,
    };

    let (s, n, c, i) = (store, sessions, clock, issuer);
    let services = Services {
        register: RegisterUser::new(s.clone(), secrets, c.clone(), i.clone(), codes.clone(), registration),
        verify_registration: VerifyRegistration::new(s.clone(), opener, c.clone(), i.clone(), codes, guard),
        login: Login::new(s.clone(), hasher, c.clone(), desk),
        end_sessions: EndSessions::new(s.clone(), n, c.clone(), i, revoker),
        gate: Arc::new(gate),
        keys: keys.clone(),
    };
    let channels = Channels { mailer: Arc::new(Printer), sms: Some(Arc::new(Printer)) };
    let renderer = Arc::new(Sentences);
    let background = Background {
        mail: DeliverMail::new(s.clone(), channels, renderer, postbox, c.clone(), MailPolicy::default()),
        revocations: RevocationKeeper::new(s, c, view),
        audit,
        keys,
    };
    Ok((services, background))
}

impl Background {
    /// Four rounds a second. A round that fails is tried again: requests meanwhile ask the store, mail waits in it.
    pub(crate) async fn run(mut self) {
        let mut rounds = tokio::time::interval(limits::REVOCATION_POLL);
        loop {
            rounds.tick().await;
            let revocations = self.revocations.poll().await.map_err(|error| error.to_string());
            let mail = self.mail.run().await.map(|_| ()).map_err(|error| error.to_string());
            let keys = self.keys.reload().await.map_err(|error| error.to_string());
            let audit = self.audit.run().await.map(drop).map_err(|error| error.to_string());
            for error in [revocations, mail, keys, audit].into_iter().filter_map(Result::err) {
                eprintln!("background: {error}");
            }
        }
    }
}

/// The key that seals keys and messages in the database: made once, kept beside it. Guard it as the database itself.
fn master_key(path: &Path, entropy: &dyn Entropy) -> Result<SecretBytes, Box<dyn Error>> {
    if !path.exists() {
        let mut fresh = [0; 32];
        entropy.fill(&mut fresh);
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(&fresh)?;
    }
    Ok(SecretBytes::new(fs::read(path)?))
}
