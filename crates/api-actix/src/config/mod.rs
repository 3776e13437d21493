//! Typed configuration: defaults < file < `KEYSTEAD_` environment (`__` nests) < flags.
//!
//! One file per section; [`keys`] is the table that loader, hints, `keystead init` and documentation share. Everything
//! wrong is told at once, each with key, source and fix. What is readable but dangerous is found by
//! [`Config::check_safety`].

mod address;
mod attendance;
mod captcha;
mod factors;
mod http;
mod init;
pub mod keys;
mod languages;
mod layers;
mod limits;
mod log;
mod mail;
mod origin;
mod passkeys;
mod passwords;
mod problem;
mod reader;
mod reference;
mod registration;
mod safety;
mod secrets;
mod sms;
mod social;
mod store;
mod tokens;
mod upkeep;
mod values;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use keystead_domain::SecretBytes;
use zeroize::Zeroizing;

pub use attendance::AttendanceConfig;
pub use captcha::{CaptchaConfig, CaptchaProvider, SiteVerifyConfig};
pub use factors::{LoginConfig, MfaConfig, TotpConfig};
pub use http::{ForwardedHeader, HttpConfig, TlsConfig};
pub use init::{InitCompose, InitOptions, InitStore, Rendered, render_init, write_new, write_new_private};
pub use languages::LanguagesConfig;
pub use limits::{LimitsConfig, LimitsMode, contains};
pub use log::{LogConfig, LogFormat};
pub use mail::{MailConfig, MailTransport, SendGridConfig, SmtpConfig, SmtpSecurity};
pub use origin::Origin;
pub use passkeys::{PasskeysConfig, RelyingParty};
pub use passwords::{Argon2Config, PasswordsConfig};
pub use problem::{ConfigErrors, Problem, Source};
pub use reference::reference_markdown;
pub use registration::{RegistrationConfig, RegistrationContact};
pub use safety::{Risk, Unsafe, Warning};
pub use secrets::{MASTER_KEY_BYTES, SecretsConfig, encode_master_key};
pub use sms::{ProviderUrl, SmsConfig, SmsTransport, TwilioConfig, TwilioSender};
pub use social::{SocialConfig, SocialPreset, SocialProviderConfig};
pub use store::{
    Data, Link, PostgresConfig, RedisConfig, RedisTopology, SharedConfig, SqliteConfig, StoreConfig, Synchronous,
};
pub use tokens::{Algorithm, TokensConfig};
pub use upkeep::{AdminConfig, AuditConfig, RetentionConfig};

use layers::Layers;
use reader::{Noted, Origins, Reader};

/// Exit code of an invalid or unsafe configuration (`EX_CONFIG` of sysexits.h).
pub const EX_CONFIG: u8 = 78;

/// The database inside a data directory of `keystead dev`.
pub const DEV_DATABASE: &str = "keystead.db";

/// Where settings are looked for, the later ones winning.
#[derive(Clone, Default)]
pub struct ConfigSources {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// The environment; names without `KEYSTEAD_` are passed over.
    pub env: Vec<(String, String)>,
    /// `--set key=value`.
    pub flags: Vec<(String, String)>,
}

/// The whole configuration, checked value by value.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether this is `keystead dev`.
    pub dev: bool,
    /// Where `keystead dev` keeps everything.
    pub data_dir: Option<PathBuf>,
    /// Dangers the operator accepts.
    pub unsafe_allow: Vec<Risk>,
    /// Where the service listens.
    pub http: HttpConfig,
    /// Where the data lives.
    pub store: StoreConfig,
    /// What protects it.
    pub secrets: SecretsConfig,
    /// Access tokens and sessions.
    pub tokens: TokensConfig,
    /// Who may open an account.
    pub registration: RegistrationConfig,
    /// What a login asks for.
    pub login: LoginConfig,
    /// What becomes of wrong second factors.
    pub mfa: MfaConfig,
    /// Codes of authenticator programs.
    pub totp: TotpConfig,
    /// Passkeys.
    pub passkeys: PasskeysConfig,
    /// Passwords.
    pub passwords: PasswordsConfig,
    /// How mail leaves.
    pub mail: MailConfig,
    /// In what language people are spoken to.
    pub languages: LanguagesConfig,
    /// How text messages leave.
    pub sms: SmsConfig,
    /// Where people may have accounts that open theirs here.
    pub social: SocialConfig,
    /// What keeps programs from asking.
    pub captcha: CaptchaConfig,
    /// How often things may be tried.
    pub limits: LimitsConfig,
    /// Who comes and goes when.
    pub attendance: AttendanceConfig,
    /// What people in charge may do.
    pub admin: AdminConfig,
    /// Where audit events go besides the database.
    pub audit: AuditConfig,
    /// How long what nobody needs any more is kept.
    pub retention: RetentionConfig,
    /// What is logged.
    pub log: LogConfig,
    file: Option<PathBuf>,
    origins: Origins,
}

impl Config {
    /// Reads and merges all sources. On failure: everything that is wrong.
    pub fn load(sources: ConfigSources) -> Result<Self, ConfigErrors> {
        let mut layers = Layers::default();
        if let Some(path) = &sources.file {
            // Without the file, whatever it would have set would be reported as missing: its own problems come first.
            if !add_file(&mut layers, path) {
                return Err(ConfigErrors(layers.problems));
            }
        }
        layers.add_env(&sources.env);
        layers.add_pairs(&sources.flags, |key| Source::Flag(key.to_owned()));
        Self::read(layers, sources.file)
    }

    /// Reads the text of a configuration file and these variables.
    pub fn from_text(path: &Path, text: &str, env: &[(String, String)]) -> Result<Self, ConfigErrors> {
        let mut layers = Layers::default();
        if !layers.add_file(path, text) {
            return Err(ConfigErrors(layers.problems));
        }
        layers.add_env(env);
        Self::read(layers, Some(path.to_owned()))
    }

    /// The configuration of `keystead dev`: everything in `data_dir`, plain http on a loopback address, mail and
    /// text messages to the development mailbox, registration with an address or a number, text logs. Refuses other addresses. With port 0, call [`Self::set_bound_address`] once bound.
    pub fn for_dev(listen: SocketAddr, data_dir: &Path, master_key: &SecretBytes) -> Result<Self, ConfigErrors> {
        let mut layers = Layers::default();
        if !listen.ip().is_loopback() {
            let fix = "listen on 127.0.0.1 or [::1]; to be reached from elsewhere use `keystead serve`";
            layers.problem("http.listen", Source::Dev, format!("{listen} can be reached from other machines"), fix);
        }
        let database = data_dir.join(DEV_DATABASE);
        let Some(database) = database.to_str() else {
            let fix = "choose a directory whose name is UTF-8";
            layers.problem("store.url", Source::Dev, "is not UTF-8".to_owned(), fix);
            return Err(ConfigErrors(layers.problems));
        };
        let pairs = [
            ("http.listen", listen.to_string()),
            ("http.public_url", Origin::of_listener(listen).to_string()),
            ("store.url", format!("sqlite://{database}")),
            ("secrets.master_key", encode_master_key(master_key).to_string()),
            ("log.format", "text".to_owned()),
            // Requests are written by hand here.
            ("captcha.provider", "none".to_owned()),
            // What a person looks at; `--audit` asks for it.
            ("audit.stream", "false".to_owned()),
            // Survives a kill; a power cut may lose the last moments, which is what trying out can bear.
            ("store.synchronous", "normal".to_owned()),
        ];
        layers.add_pairs(&pairs.map(|(key, value)| (key.to_owned(), value)), |_| Source::Dev);
        let mut config = Self::read(layers, None)?;
        config.dev = true;
        config.data_dir = Some(data_dir.to_owned());
        config.mail.transport = MailTransport::DevMailbox;
        config.sms.transport = SmsTransport::DevMailbox;
        config.registration.contact = RegistrationContact::Both;
        config.set_bound_address(listen);
        Ok(config)
    }

    /// In `keystead dev`: the public URL, the issuer and the allowed origins follow the address really listened on;
    /// `localhost` with the same port may call too. Elsewhere they are the operator's, and nothing changes.
    ///
    /// A port the system chose is another one after a restart. It stays out of the issuer, so that tokens outlive it.
    pub fn set_bound_address(&mut self, address: SocketAddr) {
        if !self.dev {
            return;
        }
        let own = Origin::of_listener(address);
        let localhost = Origin::parse(&format!("http://localhost:{}", address.port())).ok();
        self.tokens.issuer = match self.http.listen.port() {
            0 => format!("http://{}", own.host()),
            _ => own.to_string(),
        };
        self.http.listen = address;
        self.http.allowed_origins = std::iter::once(own.clone()).chain(localhost).collect();
        self.http.public_url = own;
    }

    fn read(layers: Layers, file: Option<PathBuf>) -> Result<Self, ConfigErrors> {
        let mut r = Reader::new(layers);
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let unsafe_allow = r.list("unsafe_allow", Risk::parse);
        let http = HttpConfig::read(&mut r, cores);
        let public_url = http.as_ref().map(|http| &http.public_url).ok();
        let store = StoreConfig::read(&mut r);
        let secrets = SecretsConfig::read(&mut r);
        let tokens = TokensConfig::read(&mut r, public_url);
        let registration = RegistrationConfig::read(&mut r);
        let login = LoginConfig::read(&mut r);
        let mfa = MfaConfig::read(&mut r);
        let passwords = PasswordsConfig::read(&mut r, cores);
        let mail = MailConfig::read(&mut r, public_url);
        let product = mail.as_ref().map(|mail| mail.product_name.as_str()).ok();
        let totp = TotpConfig::read(&mut r, product);
        let passkeys = PasskeysConfig::read(&mut r, public_url, product);
        let languages = LanguagesConfig::read(&mut r);
        let sms = SmsConfig::read(&mut r);
        if let (Ok(registration), Ok(login), Ok(sms)) = (&registration, &login, &sms) {
            factors::check_channels(&mut r, registration.contact, *login, sms.is_on());
        }
        let social = SocialConfig::read(&mut r);
        let captcha = CaptchaConfig::read(&mut r, public_url);
        let limits = LimitsConfig::read(&mut r);
        let attendance = AttendanceConfig::read(&mut r);
        let admin = AdminConfig::read(&mut r);
        let audit = AuditConfig::read(&mut r);
        let session_life = tokens.as_ref().map(|tokens| tokens.session_life).ok();
        let retention = RetentionConfig::read(&mut r, session_life);
        let log = LogConfig::read(&mut r);
        let origins = r.finish()?;
        let whole = || {
            Ok(Self {
                dev: false,
                data_dir: None,
                unsafe_allow: unsafe_allow?,
                http: http?,
                store: store?,
                secrets: secrets?,
                tokens: tokens?,
                registration: registration?,
                login: login?,
                mfa: mfa?,
                totp: totp?,
                passkeys: passkeys?,
                passwords: passwords?,
                mail: mail?,
                languages: languages?,
                sms: sms?,
                social: social?,
                captcha: captcha?,
                limits: limits?,
                attendance: attendance?,
                admin: admin?,
                audit: audit?,
                retention: retention?,
                log: log?,
                file,
                origins,
            })
        };
        // Unreachable by construction: a section is missing only after a problem was noted.
        whole().map_err(|Noted| ConfigErrors(Vec::new()))
    }
}

/// Whether the file could be read as TOML.
fn add_file(layers: &mut Layers, path: &Path) -> bool {
    match std::fs::read_to_string(path).map(Zeroizing::new) {
        Ok(text) => layers.add_file(path, &text),
        Err(error) => {
            let source = Source::File { path: path.to_owned(), line: 0 };
            let fix = "give the path of a readable file; `keystead init` writes a first one";
            layers.problem("configuration file", source, format!("cannot be read: {error}"), fix);
            false
        }
    }
}
