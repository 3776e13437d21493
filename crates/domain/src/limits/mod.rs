//! Every default figure, in one table. `docs/limits.md` is generated from it. [`Gcra`] is how rates are counted.

mod gcra;

use std::time::Duration;

pub use gcra::Gcra;

/// At most `limit` at once; what was used comes back one by one, spread evenly over `window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RatePolicy {
    /// Name in `RateLimit` headers, metrics and configuration.
    pub name: &'static str,
    /// How many.
    pub limit: u32,
    /// In how long.
    pub window: Duration,
    /// What is counted per.
    pub per: &'static str,
}

const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

const fn days(n: u64) -> Duration {
    Duration::from_secs(n * 86_400)
}

macro_rules! policies {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $limit:literal, $window:expr, $per:literal;)*) => {
        $($(#[$doc])* pub const $name: RatePolicy = RatePolicy { name: $text, limit: $limit, window: $window, per: $per };)*
        /// Every rate policy.
        pub const RATE_POLICIES: &[RatePolicy] = &[$($name,)*];
    };
}

policies! {
    /// Registrations.
    REGISTER = "register", 5, minutes(30), "client address";
    /// Proofs of registrations.
    REGISTER_VERIFY = "register-verify", 10, minutes(1), "client address";
    /// Logins by address.
    LOGIN = "login", 10, minutes(15), "client address";
    /// Failed logins by account; a known device has a budget of its own.
    LOGIN_ACCOUNT = "login-account", 10, minutes(15), "account, or account and known device";
    /// Guesses that captchas buy once the budget of an account is spent.
    LOGIN_CAPTCHA = "login-captcha", 20, minutes(15), "account";
    /// Rotations of one session.
    REFRESH = "refresh", 30, minutes(1), "session";
    /// Reset links by address.
    FORGOT = "password-forgot", 15, minutes(15), "client address";
    /// Reset links by account.
    FORGOT_ACCOUNT = "password-forgot-account", 2, minutes(120), "account, or account and known device";
    /// Uses of reset and activation links.
    LINK = "link", 15, minutes(15), "client address";
    /// Password changes and re-authentications.
    PASSWORD_CHANGE = "password-change", 2, minutes(15), "account";
    /// Failed re-authentications.
    REAUTH = "reauth", 10, minutes(15), "account";
    /// "You already have an account" mails.
    ACCOUNT_EXISTS = "account-exists", 3, minutes(60), "account";
    /// Codes sent again, one after the other.
    CODE_RESEND_GAP = "code-resend-gap", 1, Duration::from_secs(30), "account or claim";
    /// Codes sent again.
    CODE_RESEND = "code-resend", 5, minutes(60), "account or claim";
    /// Tries of a second factor.
    LOGIN_FACTOR = "login-factor", 30, minutes(15), "client address";
    /// Logins without a password, by address.
    PASSWORDLESS = "passwordless", 10, minutes(15), "client address";
    /// Messages of logins without a password, by account.
    PASSWORDLESS_ACCOUNT = "passwordless-account", 5, minutes(60), "account, or account and known device";
    /// Step-up codes asked for, one after the other.
    STEP_UP_GAP = "step-up-gap", 1, Duration::from_secs(30), "account";
    /// Step-up codes asked for.
    STEP_UP = "step-up", 10, minutes(60), "account";
    /// Addresses to be added.
    CONTACT_ADD = "contact-add", 5, minutes(60), "account";
    /// Messages to one address, whoever asks for them.
    ADDRESS = "address", 10, minutes(60), "mail address or phone number, or account and known device";
    /// Changes of factors. Each is an audit event, which is kept.
    FACTOR_CHANGE = "factor-change", 30, minutes(15), "account";
    /// Access tokens revoked one by one. Each is a row, and an entry in every replica's memory, for an hour or more.
    TOKEN_REVOKE = "token-revoke", 60, minutes(15), "account";
    /// Changes of a profile. Each is an audit event, which is kept.
    PROFILE_CHANGE = "profile-change", 60, minutes(15), "account";
    /// SRP challenges.
    SRP_CHALLENGE = "srp-challenge", 30, minutes(15), "client address";
    /// Captcha challenges.
    CAPTCHA = "captcha", 60, minutes(15), "client address";
    /// Sign-ins with a provider, begun or completed.
    SOCIAL = "social", 30, minutes(15), "client address";
    /// Check-ins and check-outs.
    ATTENDANCE = "attendance", 15, minutes(15), "account";
    /// Administrators' requests.
    ADMIN = "admin", 300, minutes(15), "administrator";
    /// Impersonations begun.
    IMPERSONATION = "impersonation", 10, minutes(60), "administrator";
    /// Unauthenticated and credential routes, before answers are slowed down.
    SLOW_DOWN = "slow-down", 100, minutes(15), "client address";
    /// Requests of every kind but the hot path.
    REQUESTS = "requests", 1200, minutes(1), "client address";
}

/// Added to an answer for every request beyond [`SLOW_DOWN`].
pub const SLOW_DOWN_STEP: Duration = Duration::from_millis(200);
/// The most an answer is slowed down.
pub const SLOW_DOWN_CAP: Duration = Duration::from_secs(5);
/// Answers that are slowed down at the same time by one process; beyond, requests are refused at once.
pub const SLOWED_AT_ONCE: usize = 1000;
/// How many times what one address may, all addresses of its site (IPv6: a /48) may together.
pub const SITE_FACTOR: u32 = 10;

/// Life of an access token.
pub const ACCESS_TOKEN_LIFE: Duration = minutes(20);
/// Life of a pre-authorized token.
pub const PRE_AUTHORIZED_LIFE: Duration = minutes(10);
/// Life of a pre-authorized token that resets a password.
pub const RESET_GRANT_LIFE: Duration = minutes(30);
/// How far clocks of verifiers may differ.
pub const LEEWAY: Duration = Duration::from_secs(5);
/// How far the clocks of replicas that count in one row may differ: each may be 5 s from the database's, on either side of
/// it, before `keystead doctor` calls it wrong. See [`RatePolicy::latest_end`].
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(10);
/// Life of a session, whatever happens.
pub const SESSION_LIFE: Duration = days(15);
/// Life of a session nobody refreshes.
pub const SESSION_IDLE: Duration = days(7);
/// Most sessions of an account at a time; one more ends the one seen least recently.
pub const SESSIONS_MOST: u32 = 20;
/// How long the predecessor of a refresh token is honoured.
pub const REFRESH_GRACE: Duration = Duration::from_secs(30);
/// A refresh compares with the users table when it did not for this long.
pub const SESSION_RECHECK: Duration = minutes(60);
/// Life of an unproved registration.
pub const REGISTRATION_LIFE: Duration = days(1);
/// Life of a one-time code.
pub const CODE_LIFE: Duration = minutes(5);
/// Tries per code.
pub const CODE_TRIES: u32 = 5;
/// Life of a step-up proof.
pub const STEP_UP_LIFE: Duration = minutes(15);
/// Life of an SRP challenge.
pub const SRP_CHALLENGE_LIFE: Duration = minutes(2);
/// Life of a captcha challenge.
pub const CAPTCHA_LIFE: Duration = minutes(5);
/// Time for a captcha provider to answer before what needs it is refused.
pub const CAPTCHA_TIMEOUT: Duration = Duration::from_secs(3);
/// Time for a sign-in with a provider to come back.
pub const SOCIAL_LIFE: Duration = minutes(10);
/// How long one of several replicas keeps the right to send reminders.
pub const REMINDER_LEASE: Duration = Duration::from_secs(60);
/// Life of a WebAuthn challenge.
pub const PASSKEY_CHALLENGE_LIFE: Duration = minutes(5);
/// Life of a TOTP secret that was not confirmed.
pub const TOTP_PENDING_LIFE: Duration = minutes(15);
/// Accepted TOTP steps before the current one.
pub const TOTP_WINDOW: u32 = 1;
/// Most passkeys of a person.
pub const PASSKEYS: u32 = 5;
/// Life of an address that was not proved.
pub const PENDING_CONTACT_LIFE: Duration = minutes(30);
/// Life of the link that undoes the change of an address.
pub const CONTACT_UNDO_LIFE: Duration = days(3);
/// Wrong second factors before a block.
pub const MFA_MAX_FAILURES: u32 = 10;
/// The first block; each one after it is twice as long.
pub const MFA_BLOCK: Duration = minutes(15);
/// The longest block.
pub const MFA_LONGEST_BLOCK: Duration = days(1);
/// Failures that led to no block are forgotten this long after the last.
pub const MFA_MEMORY: Duration = days(1);
/// The least time between two alert mails about wrong second factors.
pub const MFA_ALERT_GAP: Duration = minutes(15);
/// Life of a reset link.
pub const RESET_LINK_LIFE: Duration = minutes(30);
/// Life of an activation link.
pub const ACTIVATION_LINK_LIFE: Duration = days(1);
/// Life of an impersonation.
pub const IMPERSONATION_LIFE: Duration = minutes(15);
/// How often audit events are linked into the chain.
pub const AUDIT_LINK_POLL: Duration = Duration::from_secs(1);
/// Audit events that are linked in one transaction.
pub const AUDIT_BATCH: u32 = 1000;
/// How long audit events are kept.
pub const AUDIT_KEPT: Duration = days(400);
/// How long an account that its owner closed is kept before it is deleted.
pub const DEACTIVATED_KEPT: Duration = days(30);
/// How long logins are kept for their owner to read; longer than any session lives.
pub const LOGIN_HISTORY_KEPT: Duration = days(180);
/// How fresh a sign-in must be for sensitive changes.
pub const REAUTH_WINDOW: Duration = minutes(5);
/// Life of a known-device token.
pub const DEVICE_LIFE: Duration = days(180);
/// How far back the revocation view reaches; longer than any access token lives.
pub const REVOCATION_WINDOW: Duration = minutes(60);
/// A revocation view not confirmed for this long is not trusted.
pub const REVOCATION_CONFIRMED: Duration = Duration::from_millis(900);
/// How often the revocation log is read.
pub const REVOCATION_POLL: Duration = Duration::from_millis(250);
/// How far back each reading of the revocation log overlaps the last.
pub const REVOCATION_OVERLAP: Duration = Duration::from_secs(10);
/// How often the whole window of the revocation log is read again.
pub const REVOCATION_REREAD: Duration = Duration::from_secs(60);
/// How often keys are re-read.
pub const KEY_POLL: Duration = Duration::from_secs(5);
/// How long a key is published before it signs.
pub const KEY_PREPUBLISH: Duration = Duration::from_secs(60);
/// How long a replaced sealing key stays: longer than sealing everything again can take, down time included.
pub const SEAL_KEY_LIFE: Duration = days(3650);
/// How long a replaced key of the audit log stays: longer than any policy keeps events.
pub const AUDIT_KEY_LIFE: Duration = days(36_500);
/// Life of an idempotency record; 5 minutes on routes that answer tokens.
pub const IDEMPOTENCY_LIFE: Duration = days(1);
/// Life of an idempotency record on routes that answer tokens.
pub const IDEMPOTENCY_TOKEN_LIFE: Duration = minutes(5);

/// Largest request body, in bytes, unless the route says otherwise.
pub const BODY_BYTES: usize = 64 * 1024;
/// Deepest JSON.
pub const JSON_DEPTH: usize = 32;
/// Time for a request's header to arrive.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for a request's body to arrive.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection on which nothing is asked is kept; longer than proxies keep theirs.
pub const CONNECTION_IDLE: Duration = Duration::from_secs(75);
/// Time for a client to take every [`ANSWER_STEP`] of an answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of an answer that a client takes in [`ANSWER_TIMEOUT`], unless it takes the rest of it.
pub const ANSWER_STEP: usize = 16 * 1024;
/// Time for the work on a request, beside what slowing down adds.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(30);
/// Connections open at once.
pub const MAX_CONNECTIONS: usize = 10_000;
/// A thread whose timer comes later than this, twice in a row, serves the hot path alone for a while.
pub const EVENT_LOOP_LAG: Duration = Duration::from_millis(500);

/// Argon2id memory, in KiB.
pub const ARGON2_MEMORY_KIB: u32 = 19_456;
/// Argon2id passes.
pub const ARGON2_PASSES: u32 = 2;
/// Argon2id lanes.
pub const ARGON2_LANES: u32 = 1;
/// Hashes waiting per hash running, before 503.
pub const HASH_QUEUE_PER_PERMIT: usize = 32;
/// Fewest hashes that may wait, however few run: 64 people who register in one moment are all served.
pub const HASH_QUEUE_LEAST: usize = 64;
/// Mail attempts before a message is dead.
pub const MAIL_ATTEMPTS: u32 = 10;
/// How long a worker owns a claimed message: longer than one sending can take, which is 25 s.
pub const MAIL_LEASE: Duration = Duration::from_secs(30);
