//! What can be read but should not be run.

use std::fmt;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use keystead_domain::factor::SecondFactorPolicy;

use super::mail::{MailTransport, SmtpSecurity};
use super::problem::{Invalid, Problem, Source};
use super::secrets::weakness;
use super::sms::SmsTransport;
use super::values::choice;
use super::{Config, Data, LimitsMode};

/// A danger an operator can accept by its name in `unsafe_allow`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Risk {
    /// A master key that was not drawn at random.
    WeakMasterKey,
    /// Browsers would send passwords and cookies unencrypted.
    PlainHttp,
    /// Mail, with codes and links in it, would travel unencrypted.
    PlainSmtp,
    /// Codes and links, and the credentials of a provider, would travel unencrypted.
    PlainProvider,
    /// Everything in the database would travel unencrypted.
    PlainPostgres,
    /// Sessions and codes would travel unencrypted.
    PlainRedis,
    /// Other users of the machine can read secrets.
    ReadableFiles,
    /// Password hashes below the accepted minimum.
    WeakPasswordHash,
    /// Nothing stops guessing.
    LimitsOff,
    /// Every client, or a large part of the world, can choose the address it is limited by.
    TrustEveryone,
}

impl Risk {
    const ALL: [Self; 10] = [
        Self::WeakMasterKey,
        Self::PlainHttp,
        Self::PlainSmtp,
        Self::PlainProvider,
        Self::PlainPostgres,
        Self::PlainRedis,
        Self::ReadableFiles,
        Self::WeakPasswordHash,
        Self::LimitsOff,
        Self::TrustEveryone,
    ];

    /// The name in `unsafe_allow`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WeakMasterKey => "weak-master-key",
            Self::PlainHttp => "plain-http",
            Self::PlainSmtp => "plain-smtp",
            Self::PlainProvider => "plain-provider",
            Self::PlainPostgres => "plain-postgres",
            Self::PlainRedis => "plain-redis",
            Self::ReadableFiles => "readable-files",
            Self::WeakPasswordHash => "weak-password-hash",
            Self::LimitsOff => "limits-off",
            Self::TrustEveryone => "trust-everyone",
        }
    }

    /// What the operator would accept.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::WeakMasterKey => "The master key can be guessed, so whoever holds the database can open it.",
            Self::PlainHttp => "Passwords and cookies travel unencrypted between browsers and this service.",
            Self::PlainSmtp => "Mails, with codes and links in them, travel unencrypted to the mail server.",
            Self::PlainProvider => "Codes, links and the provider's credentials travel unencrypted to the provider.",
            Self::PlainPostgres => "The database password, names and password hashes travel unencrypted to PostgreSQL.",
            Self::PlainRedis => "The Redis password and sessions travel unencrypted to Redis.",
            Self::ReadableFiles => "Every user of this machine can read secrets or the database.",
            Self::WeakPasswordHash => "Stolen password hashes are searched faster than the OWASP minimum allows.",
            Self::LimitsOff => "Nothing slows down or stops the guessing of passwords and codes.",
            Self::TrustEveryone => "Every client can claim any address, so limits by address do not hold.",
        }
    }

    /// Every danger that has a name.
    pub const fn all() -> &'static [Self] {
        &Self::ALL
    }

    pub(super) fn parse(text: &str) -> Result<Self, Invalid> {
        choice(text, &Self::ALL.map(|risk| (risk.as_str(), risk)))
    }
}

/// A setting `serve` refuses to run with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsafe {
    /// The danger.
    pub risk: Risk,
    /// The setting, and what to do.
    pub problem: Problem,
}

impl fmt::Display for Unsafe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\n  or accept it: unsafe_allow = [\"{}\"]", self.problem, self.risk.as_str())
    }
}

/// A setting that deserves a look, or a danger that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning(pub Problem);

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "warning: {}", self.0)
    }
}

impl Config {
    /// Everything `serve` must refuse. Looks at the permissions of the files that hold secrets; empty when all is well.
    pub fn check_safety(&self) -> Vec<Unsafe> {
        self.dangers().into_iter().filter(|danger| !self.unsafe_allow.contains(&danger.risk)).collect()
    }

    /// What an operator should know but may keep: accepted dangers, and settings that are right in some places only.
    pub fn warnings(&self) -> Vec<Warning> {
        let accepted = self.dangers().into_iter().filter(|danger| self.unsafe_allow.contains(&danger.risk));
        let mut warnings: Vec<Warning> = accepted.map(|danger| Warning(danger.problem)).collect();
        self.warn_about_network(&mut warnings);
        for (key, path) in self.private_files() {
            if mode(&path).is_some_and(|mode| mode & 0o006 == 0 && mode & 0o060 != 0) {
                let what = format!("{} is open to its group", path.display());
                warnings.push(self.warning(
                    &key,
                    what,
                    format!("chmod 600 {}, unless the group is the service's own", path.display()),
                ));
            }
        }
        if matches!(self.mail.transport, MailTransport::Off) {
            let what = "is not set: nobody gets a code, so nobody can register or reset a password";
            warnings.push(self.warning("mail.smtp_url", what, "set mail.smtp_url or mail.sendgrid_key"));
        }
        self.warn_about_factors(&mut warnings);
        warnings
    }

    fn warn_about_factors(&self, warnings: &mut Vec<Warning>) {
        if self.login.second_factor == SecondFactorPolicy::Never {
            let what = "is \"never\": whoever has a password has the account, whatever its owner enrolled";
            warnings.push(self.warning("login.second_factor", what, "set second_factor = \"enrolled\""));
        }
        if self.relying_party().is_none() {
            let what = format!("{} permits no passkeys: browsers want https and a domain", self.http.public_url);
            warnings.push(self.warning("http.public_url", what, "use https and a domain name"));
        }
    }

    fn warn_about_network(&self, warnings: &mut Vec<Warning>) {
        let http = &self.http;
        if http.tls.is_none() && http.trusted_proxies.is_empty() {
            if !http.listen.ip().is_loopback() {
                let what = format!("{} is open to the network without TLS, and no proxy is named", http.listen);
                let fix =
                    "set http.tls, or listen where only your proxy reaches it and name it in http.trusted_proxies";
                warnings.push(self.warning("http.listen", what, fix));
            } else if http.public_url.is_https() {
                let what = "is empty while a proxy must be speaking https: every client will be limited as if it were the proxy";
                warnings.push(self.warning(
                    "http.trusted_proxies",
                    what,
                    "name the proxy: trusted_proxies = [\"127.0.0.1\"]",
                ));
            }
        }
        if let Some(admin) = http.admin_listen.filter(|admin| !admin.ip().is_loopback()) {
            let what = format!("{admin} shows metrics to everyone who reaches it");
            warnings.push(self.warning("http.admin_listen", what, "let only your monitoring reach it"));
        }
    }

    fn dangers(&self) -> Vec<Unsafe> {
        let mut found = Vec::new();
        self.dangers_of_secrets(&mut found);
        self.dangers_on_the_wire(&mut found);
        self.dangers_of_guessing(&mut found);
        found
    }

    fn dangers_of_secrets(&self, found: &mut Vec<Unsafe>) {
        if let Some(weakness) = weakness(&self.secrets.master_key) {
            let key = self.set_key("secrets.master_key");
            let fix = "put 32 random bytes there: `openssl rand -base64 32`; what the old key sealed cannot be opened \
                       with the new one";
            found.push(self.danger(Risk::WeakMasterKey, &key, weakness, fix));
        }
        for (key, path) in self.private_files() {
            if mode(&path).is_some_and(|mode| mode & 0o006 != 0) {
                let what = format!("{} is open to every user of this machine", path.display());
                let fix = format!("chmod 600 {} (in Kubernetes: defaultMode: 0400)", path.display());
                found.push(self.danger(Risk::ReadableFiles, &key, what, fix));
            }
        }
    }

    fn dangers_on_the_wire(&self, found: &mut Vec<Unsafe>) {
        for (at, origin) in self.http.allowed_origins.iter().enumerate() {
            if !origin.is_https() && !origin.is_loopback() {
                let key = if at == 0 { "http.public_url" } else { "http.allowed_origins" };
                let what = format!("{origin} is plain http, and not on this machine");
                let fix = "use https: http.tls, or a proxy in front that speaks it";
                found.push(self.danger(Risk::PlainHttp, key, what, fix));
            }
        }
        if let MailTransport::Smtp(smtp) = &self.mail.transport
            && smtp.security == SmtpSecurity::Plain
            && !smtp.is_loopback()
        {
            let key = self.set_key("mail.smtp_url");
            let what = "sends mail unencrypted to another machine";
            let fix = "write smtp:// (STARTTLS) or smtps://; a private certificate is believed with mail.extra_ca_file";
            found.push(self.danger(Risk::PlainSmtp, &key, what, fix));
        }
        let sendgrid = match &self.mail.transport {
            MailTransport::SendGrid(sendgrid) => Some(("mail.sendgrid_url", &sendgrid.base_url)),
            MailTransport::Off | MailTransport::DevMailbox | MailTransport::Smtp(_) => None,
        };
        let twilio = match &self.sms.transport {
            SmsTransport::Twilio(twilio) => Some(("sms.base_url", &twilio.base_url)),
            SmsTransport::Off | SmsTransport::DevMailbox => None,
        };
        for (key, _) in sendgrid.into_iter().chain(twilio).filter(|(_, url)| url.is_exposed()) {
            let what = "is another machine, reached unencrypted";
            found.push(self.danger(Risk::PlainProvider, key, what, "write https://"));
        }
        if let Data::Shared(shared) = &self.store.data {
            for (risk, key, link, fix) in [
                (
                    Risk::PlainPostgres,
                    "store.url",
                    &shared.postgres.link,
                    "write sslmode=verify-full; a private certificate is believed with store.postgres_ca_file",
                ),
                (
                    Risk::PlainRedis,
                    "store.redis_url",
                    &shared.redis.link,
                    "write rediss://; a private certificate is believed with store.redis_ca_file",
                ),
            ] {
                if !link.tls && !link.is_local {
                    found.push(self.danger(risk, &self.set_key(key), "is another machine, reached unencrypted", fix));
                }
            }
        }
    }

    fn dangers_of_guessing(&self, found: &mut Vec<Unsafe>) {
        for net in self.http.trusted_proxies.iter().filter(|net| is_too_wide(net)) {
            let what = format!("{net} trusts more than any proxies need: clients among them choose their address");
            let fix = "name the networks your proxies are in, and no more: no IPv4 network wider than /8, no IPv6 network \
                       wider than /16";
            found.push(self.danger(Risk::TrustEveryone, "http.trusted_proxies", what, fix));
        }
        let argon2 = &self.passwords.argon2;
        if let Some(wanted) = argon2.memory_wanted() {
            let what = format!("{} KiB with passes = {} is below the OWASP minimum", argon2.memory_kib, argon2.passes);
            let fix = format!("set memory_kib = {wanted} or more");
            found.push(self.danger(Risk::WeakPasswordHash, "passwords.argon2.memory_kib", what, fix));
        }
        if self.limits.mode == LimitsMode::Off {
            let what = "lets passwords and codes be guessed without end";
            let fix = "set mode = \"default\" and list your own callers in limits.allow";
            found.push(self.danger(Risk::LimitsOff, "limits.mode", what, fix));
        }
    }

    fn danger(&self, risk: Risk, key: &str, what: impl Into<String>, fix: impl Into<String>) -> Unsafe {
        Unsafe { risk, problem: self.problem(key, what, fix) }
    }

    /// Files nobody else may read, with the key that names each.
    fn private_files(&self) -> Vec<(String, PathBuf)> {
        let mut files = self.origins.secret_files.clone();
        if self.origins.secret_in_file {
            files.extend(self.file.iter().map(|path| ("configuration file".to_owned(), path.clone())));
        }
        if let Some(sqlite) = self.store.sqlite() {
            for suffix in ["", "-wal", "-shm"] {
                let mut path = sqlite.path.clone().into_os_string();
                path.push(suffix);
                files.push(("store.url".to_owned(), path.into()));
            }
        }
        files
    }

    /// The key a secret was really set by.
    fn set_key(&self, key: &str) -> String {
        let file_key = format!("{key}_file");
        match self.origins.source(&file_key) {
            Source::Default => key.to_owned(),
            _ => file_key,
        }
    }

    fn problem(&self, key: &str, what: impl Into<String>, fix: impl Into<String>) -> Problem {
        let source = match (&self.file, key) {
            (Some(path), "configuration file") => Source::File { path: path.clone(), line: 0 },
            _ => self.origins.source(key),
        };
        Problem { key: key.to_owned(), source, what: what.into(), fix: fix.into() }
    }

    fn warning(&self, key: &str, what: impl Into<String>, fix: impl Into<String>) -> Warning {
        Warning(self.problem(key, what, fix))
    }
}

/// Whether a network is too wide to be that of proxies. By its breadth, as two halves of the world are the world; private
/// networks, a /8 (RFC 1918) and a /7 (RFC 4193), are not the world's.
fn is_too_wide(net: &IpNet) -> bool {
    match net {
        IpNet::V4(net) => net.prefix_len() < 8,
        IpNet::V6(net) => net.prefix_len() < 16 && !(net.prefix_len() >= 7 && net.network().is_unique_local()),
    }
}

/// Permission bits; `None` for a file that is not there yet.
#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).ok().map(|metadata| metadata.permissions().mode())
}

/// Elsewhere permissions are not expressed in bits.
#[cfg(not(unix))]
fn mode(_: &Path) -> Option<u32> {
    None
}
