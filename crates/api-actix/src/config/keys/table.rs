//! What every key is, section by section.

use keystead_domain::limits;

use super::{Fallback, Key, Kind, attendance, captcha, factors, languages, social, upkeep};
use crate::config::values::{duration_text, rate_text};

pub(super) type Row = (&'static str, Kind, Fallback, &'static str);

pub(super) fn value(text: impl Into<String>) -> Fallback {
    Fallback::Value(text.into())
}

pub(super) const fn described(note: &'static str, example: &'static str) -> Fallback {
    Fallback::Described { note, example }
}

/// Every key, in the order of the documentation.
pub(super) fn table() -> Vec<Key> {
    let rows = [
        http(),
        store_and_secrets(),
        tokens_and_registration(),
        factors::login(),
        factors::totp_and_passkeys(),
        passwords(),
        mail(),
        languages::languages(),
        factors::sms(),
        social::social(),
        captcha::captcha(),
        limit_lists(),
    ];
    let mut keys = Vec::new();
    for (name, kind, fallback, meaning) in rows.into_iter().flatten() {
        push(&mut keys, name, kind, fallback, meaning);
    }
    for policy in limits::RATE_POLICIES {
        let name = format!("limits.{}", policy.name);
        let default = Fallback::Value(rate_text(policy.limit, policy.window));
        push(&mut keys, &name, Kind::Rate, default, &format!("How many in how long, per {}.", policy.per));
    }
    for (name, kind, fallback, meaning) in attendance::attendance().into_iter().chain(upkeep::upkeep()).chain(log()) {
        push(&mut keys, name, kind, fallback, meaning);
    }
    keys
}

fn push(keys: &mut Vec<Key>, name: &str, kind: Kind, fallback: Fallback, meaning: &str) {
    keys.push(Key { name: name.to_owned(), kind, fallback, meaning: meaning.to_owned(), secret_file: false });
    if kind == Kind::Secret {
        keys.push(Key {
            name: format!("{name}_file"),
            kind: Kind::Path,
            fallback: described("none", "/run/secrets/keystead"),
            meaning: format!("File that holds `{name}` instead; a line end after it is dropped."),
            secret_file: true,
        });
    }
}

fn http() -> Vec<Row> {
    vec![
        (
            "unsafe_allow",
            Kind::List,
            value(""),
            "Names of dangers you accept: `keystead serve` and `keystead check` name the danger whenever they refuse one.",
        ),
        ("http.listen", Kind::Text, value("127.0.0.1:8787"), "Address and port of the API."),
        (
            "http.public_url",
            Kind::Text,
            Fallback::Required { example: "https://id.example.com" },
            "What browsers see: scheme, host and port, no path. Links in mails and the token issuer come from it.",
        ),
        (
            "http.trusted_proxies",
            Kind::List,
            value(""),
            "Networks of the reverse proxies in front. Only they are believed about client addresses.",
        ),
        (
            "http.forwarded",
            Kind::Text,
            value("x-forwarded-for"),
            "The one header they are believed in: `x-forwarded-for`, or `forwarded` (RFC 7239). Each of them must set it or append to it.",
        ),
        (
            "http.allowed_origins",
            Kind::List,
            value(""),
            "Web origins besides `public_url` whose pages may call the API.",
        ),
        ("http.workers", Kind::Integer, described("one per core", "4"), "Threads that serve requests."),
        (
            "http.max_connections",
            Kind::Integer,
            value(limits::MAX_CONNECTIONS.to_string()),
            "Connections open at once; others wait. The system's limit of open files may lower it, which is logged.",
        ),
        (
            "http.max_connections_per_address",
            Kind::Integer,
            described("a quarter of `max_connections`, at least 100", "500"),
            "Connections of one address (IPv6: /64) open at once; more are ended. Not for `trusted_proxies` and `limits.allow`.",
        ),
        (
            "http.tls.certificate_file",
            Kind::Path,
            described("plain http, for a proxy in front", "/etc/keystead/tls/fullchain.pem"),
            "Certificate chain, PEM. With `tls.key_file` the service speaks https itself.",
        ),
        (
            "http.tls.key_file",
            Kind::Path,
            described("none", "/etc/keystead/tls/privkey.pem"),
            "Private key of the certificate, PEM.",
        ),
        (
            "http.admin_listen",
            Kind::Text,
            described("no metrics", "127.0.0.1:9787"),
            "Address and port of `/metrics`. It asks for no credentials: keep it off the internet.",
        ),
        (
            "http.body_bytes",
            Kind::Integer,
            value(limits::BODY_BYTES.to_string()),
            "Largest request body in bytes, unless the route says otherwise.",
        ),
        (
            "http.header_timeout",
            Kind::Duration,
            value(duration_text(limits::HEADER_TIMEOUT)),
            "Time for the header of a request to arrive.",
        ),
        (
            "http.body_timeout",
            Kind::Duration,
            value(duration_text(limits::BODY_TIMEOUT)),
            "Time for the body of a request to arrive.",
        ),
    ]
}

fn store_and_secrets() -> Vec<Row> {
    vec![
        (
            "store.url",
            Kind::Secret,
            Fallback::Required { example: "sqlite:///var/lib/keystead/keystead.db" },
            "The database: `sqlite://` and the path of the file; or, for several replicas, \
             `postgres://user:password@host/database`, encrypted unless it is on this machine or says `?sslmode=disable`.",
        ),
        (
            "store.redis_url",
            Kind::Secret,
            described("none; it must be set with postgres://", "rediss://user:password@redis.example.com:6379"),
            "Where replicas share sessions and limits: `redis://` (`rediss://` with TLS), \
             `redis+sentinel://sentinel,sentinel/master` or `redis+cluster://node,node`.",
        ),
        (
            "store.synchronous",
            Kind::Text,
            value("full"),
            "`full`: an answered request survives a power cut. `normal`: it survives a crash of the service; faster.",
        ),
        (
            "store.acquire_timeout",
            Kind::Duration,
            described("5s with SQLite, 1s with PostgreSQL", "5s"),
            "How long a request waits for a database connection before 503.",
        ),
        (
            "store.statement_timeout",
            Kind::Duration,
            value("1500ms"),
            "How long PostgreSQL may work on one statement, or wait for a lock, before 503.",
        ),
        (
            "store.connections",
            Kind::Integer,
            value("10"),
            "PostgreSQL connections of this process, at most; all replicas together must fit its `max_connections`.",
        ),
        (
            "store.migrate",
            Kind::Bool,
            value("true"),
            "Whether `serve` brings PostgreSQL's schema to its own form; `false` leaves that to `keystead migrate`.",
        ),
        ("store.redis_prefix", Kind::Text, value("keystead"), "What the names of all keys in Redis begin with."),
        (
            "store.postgres_ca_file",
            Kind::Path,
            described("the certificates this machine believes", "/etc/keystead/postgres-ca.pem"),
            "Certificates, PEM, PostgreSQL may present besides those.",
        ),
        (
            "store.redis_ca_file",
            Kind::Path,
            described("the certificates this machine believes", "/etc/keystead/redis-ca.pem"),
            "Certificates, PEM, Redis may present besides those.",
        ),
        (
            "secrets.master_key",
            Kind::Secret,
            Fallback::Required { example: "<32 random bytes, base64url>" },
            "Seals every key and secret in the database: 32 random bytes in base64url. Lost with it: all of them.",
        ),
    ]
}

fn tokens_and_registration() -> Vec<Row> {
    vec![
        (
            "tokens.algorithm",
            Kind::Text,
            value("EdDSA"),
            "Signature of access tokens: `EdDSA`, `ES512`, or `HS384` (no other service can then verify them).",
        ),
        (
            "tokens.issuer",
            Kind::Text,
            described("`http.public_url`", "https://id.example.com"),
            "The `iss` claim of access tokens.",
        ),
        ("tokens.audience", Kind::Text, value("keystead-api"), "The `aud` claim of access tokens."),
        (
            "tokens.access_life",
            Kind::Duration,
            value(duration_text(limits::ACCESS_TOKEN_LIFE)),
            "Life of an access token; less than an hour, because revocations are kept in memory for one.",
        ),
        (
            "tokens.session_life",
            Kind::Duration,
            value(duration_text(limits::SESSION_LIFE)),
            "Life of a session, however much it is used.",
        ),
        (
            "tokens.session_idle",
            Kind::Duration,
            value(duration_text(limits::SESSION_IDLE)),
            "Life of a session nobody refreshes.",
        ),
        (
            "tokens.max_sessions",
            Kind::Integer,
            value(limits::SESSIONS_MOST.to_string()),
            "Most sessions of an account at a time; one more ends the one seen least recently.",
        ),
        (
            "registration.open",
            Kind::Bool,
            value("true"),
            "Whether strangers may register. `false`: accounts are made with `keystead user add`.",
        ),
        (
            "registration.contact",
            Kind::Text,
            value("email"),
            "What people register with: `email`, `phone`, or `both` for either. Numbers need `sms.provider`.",
        ),
    ]
}

fn passwords() -> Vec<Row> {
    vec![
        (
            "passwords.min_length",
            Kind::Integer,
            value(keystead_domain::account::PasswordPolicy::default().min_length.to_string()),
            "Fewest characters of a new password; 15 where a password is the only factor (NIST SP 800-63B-4).",
        ),
        (
            "passwords.argon2.memory_kib",
            Kind::Integer,
            value(limits::ARGON2_MEMORY_KIB.to_string()),
            "Argon2id memory per hash, in KiB.",
        ),
        ("passwords.argon2.passes", Kind::Integer, value(limits::ARGON2_PASSES.to_string()), "Argon2id passes."),
        ("passwords.argon2.lanes", Kind::Integer, value(limits::ARGON2_LANES.to_string()), "Argon2id lanes."),
        (
            "passwords.argon2.permits",
            Kind::Integer,
            described("one per core", "4"),
            "Hashes at once; each takes `memory_kib`.",
        ),
        (
            "passwords.argon2.queue",
            Kind::Integer,
            described("32 per permit, at least 64", "64"),
            "Hashes waiting for a permit; beyond them requests get 503 at once.",
        ),
    ]
}

fn mail() -> Vec<Row> {
    vec![
        (
            "mail.smtp_url",
            Kind::Secret,
            described("mail waits in the outbox", "smtp://user:password@mail.example.com:587"),
            "Mail server. `smtp://` insists on STARTTLS (port 587), `smtps://` is TLS from the start (465), `smtp+plain://` \
             is not encrypted (25).",
        ),
        (
            "mail.smtp_password",
            Kind::Secret,
            described("the one in `smtp_url`", "<the password>"),
            "Password of the mail server, when it is not in `smtp_url`.",
        ),
        (
            "mail.sendgrid_key",
            Kind::Secret,
            described("mail goes to `smtp_url`", "SG.xxxxxxxx"),
            "Sends mail by SendGrid instead of a mail server: a key that may send mail and nothing else.",
        ),
        (
            "mail.sendgrid_url",
            Kind::Text,
            value("https://api.sendgrid.com"),
            "Where SendGrid's interface is; in the European Union `https://api.eu.sendgrid.com`.",
        ),
        (
            "mail.from",
            Kind::Text,
            described("`no-reply@` and the host of `http.public_url`", "no-reply@example.com"),
            "Sender address.",
        ),
        ("mail.from_name", Kind::Text, value("Keystead"), "Sender name."),
        (
            "mail.product_name",
            Kind::Text,
            value("Keystead"),
            "What the mails call your service. No password may be that name.",
        ),
        (
            "mail.templates_dir",
            Kind::Path,
            described("built-in texts", "/etc/keystead/mail"),
            "Directory of mail templates that replace the built-in ones.",
        ),
        (
            "mail.extra_ca_file",
            Kind::Path,
            described("none", "/etc/keystead/mail-ca.pem"),
            "Certificates, PEM, believed besides the public ones when the mail server shows its own.",
        ),
    ]
}

fn limit_lists() -> Vec<Row> {
    vec![
        ("limits.mode", Kind::Text, value("default"), "`default`, or `off`: nothing is limited or slowed down."),
        ("limits.allow", Kind::List, value(""), "Networks that no limit applies to."),
        (
            "limits.deny",
            Kind::List,
            value(""),
            "Networks that may not connect; behind a trusted proxy they get 403 for everything.",
        ),
    ]
}

fn log() -> Vec<Row> {
    vec![
        (
            "log.level",
            Kind::Text,
            value("info"),
            "`error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,keystead_adapters_smtp=debug`.",
        ),
        ("log.format", Kind::Text, value("json"), "`json`: one object per line. `text`: for people."),
    ]
}
