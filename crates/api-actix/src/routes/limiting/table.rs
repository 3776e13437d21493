//! What every route counts.

use actix_web::http::Method;
use keystead_domain::limits::{self, RatePolicy};

/// A limit per client address: of an IPv4 address, or of an IPv6 /64 and, ten times as much, of its /48.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressPolicy {
    /// Of a host.
    pub host: RatePolicy,
    /// What the coarse limit is called: its counters are not the host's.
    pub site: &'static str,
}

/// `REGISTER = "register-site"` is [`limits::REGISTER`] per host, and as `register-site` per site.
macro_rules! address_policies {
    ($($name:ident = $site:literal;)*) => {
        $(const $name: AddressPolicy = AddressPolicy { host: limits::$name, site: $site };)*
        /// Every limit per client address that refuses.
        pub const ADDRESS_POLICIES: &[AddressPolicy] = &[$($name,)*];
    };
}

address_policies! {
    REQUESTS = "requests-site";
    REGISTER = "register-site";
    REGISTER_VERIFY = "register-verify-site";
    LOGIN = "login-site";
    LOGIN_FACTOR = "login-factor-site";
    PASSWORDLESS = "passwordless-site";
    SRP_CHALLENGE = "srp-challenge-site";
    FORGOT = "password-forgot-site";
    LINK = "link-site";
    CAPTCHA = "captcha-site";
    SOCIAL = "social-site";
}

/// What is counted of the client address of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerAddress {
    /// Nothing, for this reason.
    Nothing(&'static str),
    /// [`limits::REQUESTS`].
    Requests,
    /// The same, and [`limits::SLOW_DOWN`]: routes that take no credentials, or take or change some.
    SlowedDown,
    /// All that, and a limit of its own.
    Limited(AddressPolicy),
}

impl PerAddress {
    /// The limits that refuse, the narrowest first.
    pub fn limits(self) -> impl Iterator<Item = AddressPolicy> {
        let (own, requests) = match self {
            Self::Nothing(_) => (None, None),
            Self::Requests | Self::SlowedDown => (None, Some(REQUESTS)),
            Self::Limited(policy) => (Some(policy), Some(REQUESTS)),
        };
        own.into_iter().chain(requests)
    }

    /// The limit beyond which answers are slowed down, of a host alone.
    pub fn slow_down(self) -> Option<RatePolicy> {
        matches!(self, Self::SlowedDown | Self::Limited(_)).then_some(limits::SLOW_DOWN)
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteLimits {
    /// The method; GET stands for HEAD, too.
    pub method: &'static str,
    /// The path, with its parameters in braces.
    pub path: &'static str,
    /// What is counted of the client's address, before anything of the request is read.
    pub address: PerAddress,
    /// Budgets in the database that the use-case or the handler may count: of the account, the session, the name, the
    /// address that is written to.
    pub account: &'static [RatePolicy],
}

const fn route(method: &'static str, path: &'static str, address: PerAddress) -> RouteLimits {
    RouteLimits { method, path, address, account: &[] }
}

impl RouteLimits {
    const fn and(self, account: &'static [RatePolicy]) -> Self {
        Self { account, ..self }
    }
}

const HOT: PerAddress = PerAddress::Nothing("the hot path asks no store");
const FIXED: PerAddress = PerAddress::Nothing("the same text for everybody, from memory");
const PROBE: PerAddress =
    PerAddress::Nothing("probes are answered under attack; the stores are asked once a second, however many come");

/// A login that is told apart from no other until the guess was compared.
const GUESSES: &[RatePolicy] = &[limits::LOGIN_ACCOUNT, limits::LOGIN_CAPTCHA, limits::ADDRESS];
/// Registrations also mail whoever has the address already.
const ANNOUNCED: &[RatePolicy] = &[limits::ACCOUNT_EXISTS, limits::ADDRESS];
const SENT_AGAIN: &[RatePolicy] =
    &[limits::CODE_RESEND_GAP, limits::CODE_RESEND, limits::ADDRESS, limits::ACCOUNT_EXISTS];
const FACTORS: &[RatePolicy] = &[limits::FACTOR_CHANGE];
const ADMINS: &[RatePolicy] = &[limits::ADMIN];

/// Every route there is, in the order of [`crate::authorization::RULES`].
pub const LIMITS: &[RouteLimits] = {
    use PerAddress::{Limited, Requests, SlowedDown};
    &[
        route("GET", "/.well-known/change-password", FIXED),
        route("GET", "/.well-known/jwks.json", HOT),
        route("GET", "/.well-known/passkey-endpoints", FIXED),
        route("GET", "/health/live", PROBE),
        route("GET", "/health/ready", PROBE),
        route("GET", "/healthz", PROBE),
        route("GET", "/readyz", PROBE),
        route("GET", "/api/v1/openapi.json", Requests),
        // Signing up, signing in, signing out.
        route("POST", "/api/v1/auth/register", Limited(REGISTER)).and(ANNOUNCED),
        route("POST", "/api/v1/auth/register/verify", Limited(REGISTER_VERIFY)),
        route("POST", "/api/v1/captcha/challenge", Limited(CAPTCHA)),
        route("POST", "/api/v1/auth/activate", Limited(LINK)),
        route("POST", "/api/v1/auth/login", Limited(LOGIN)).and(GUESSES),
        route("POST", "/api/v1/auth/login/code", Limited(LOGIN_FACTOR)),
        route("POST", "/api/v1/auth/login/otp", Limited(REGISTER_VERIFY)).and(SENT_AGAIN),
        route("POST", "/api/v1/auth/login/passkey", Limited(LOGIN_FACTOR)),
        route("POST", "/api/v1/auth/login/passkey/options", Limited(LOGIN_FACTOR)),
        route("POST", "/api/v1/auth/passwordless", Limited(PASSWORDLESS))
            .and(&[limits::PASSWORDLESS_ACCOUNT, limits::ADDRESS]),
        route("POST", "/api/v1/auth/passwordless/verify", Limited(LOGIN_FACTOR)).and(&[limits::ADDRESS]),
        route("POST", "/api/v1/auth/srp/register", Limited(REGISTER)).and(ANNOUNCED),
        route("POST", "/api/v1/auth/srp/challenge", Limited(SRP_CHALLENGE)),
        route("POST", "/api/v1/auth/srp/login", Limited(LOGIN)).and(GUESSES),
        route("POST", "/api/v1/auth/srp/verifier", SlowedDown).and(FACTORS),
        route("POST", "/api/v1/auth/logout", SlowedDown),
        // Tokens.
        route("POST", "/api/v1/auth/refresh", SlowedDown).and(&[limits::REFRESH]),
        route("GET", "/api/v1/auth/token", SlowedDown),
        route("GET", "/api/v1/auth/status", SlowedDown),
        route("POST", "/api/v1/auth/token/verify", HOT),
        route("DELETE", "/api/v1/auth/tokens/{jti}", Requests).and(&[limits::TOKEN_REVOKE]),
        // Passwords.
        route("POST", "/api/v1/auth/password/forgot", Limited(FORGOT)).and(&[limits::FORGOT_ACCOUNT]),
        route("POST", "/api/v1/auth/password/reset/begin", Limited(LINK)),
        route("POST", "/api/v1/auth/password/reset", Limited(LINK)),
        route("PATCH", "/api/v1/auth/password", SlowedDown).and(&[limits::PASSWORD_CHANGE]),
        // Proving more.
        route("POST", "/api/v1/auth/reauth", SlowedDown).and(&[limits::REAUTH]),
        route("POST", "/api/v1/auth/otp", SlowedDown).and(&[limits::STEP_UP_GAP, limits::STEP_UP, limits::ADDRESS]),
        route("PUT", "/api/v1/auth/otp", SlowedDown),
        route("POST", "/api/v1/auth/otp/passkey", SlowedDown),
        route("POST", "/api/v1/auth/otp/passkey/options", SlowedDown),
        // Factors and contacts.
        route("POST", "/api/v1/totp", SlowedDown).and(FACTORS),
        route("DELETE", "/api/v1/totp", SlowedDown).and(FACTORS),
        route("POST", "/api/v1/totp/confirm", SlowedDown).and(FACTORS),
        route("POST", "/api/v1/recovery-codes", SlowedDown).and(FACTORS),
        route("GET", "/api/v1/passkeys", Requests),
        route("POST", "/api/v1/passkeys", SlowedDown).and(FACTORS),
        route("POST", "/api/v1/passkeys/options", SlowedDown).and(FACTORS),
        route("PATCH", "/api/v1/passkeys/{id}", Requests).and(FACTORS),
        route("DELETE", "/api/v1/passkeys/{id}", Requests).and(FACTORS),
        route("GET", "/api/v1/contacts", Requests),
        route("POST", "/api/v1/contacts", SlowedDown).and(&[
            limits::FACTOR_CHANGE,
            limits::CONTACT_ADD,
            limits::ADDRESS,
        ]),
        route("POST", "/api/v1/contacts/undo", Limited(LINK)),
        route("PATCH", "/api/v1/contacts/{id}", Requests).and(FACTORS),
        route("DELETE", "/api/v1/contacts/{id}", Requests).and(FACTORS),
        route("POST", "/api/v1/contacts/{id}/verify", Requests).and(FACTORS),
        // One's own account.
        route("GET", "/api/v1/users/me", Requests),
        route("PATCH", "/api/v1/users/me", Requests).and(&[limits::PROFILE_CHANGE]),
        route("DELETE", "/api/v1/users/me", Requests),
        route("GET", "/api/v1/users/me/export", Requests),
        // Accounts elsewhere.
        route("GET", "/api/v1/social", Requests),
        route("POST", "/api/v1/social/{provider}", Limited(SOCIAL)),
        route("GET", "/api/v1/social/{provider}/callback", Requests),
        route("POST", "/api/v1/social/{provider}/callback", Limited(SOCIAL)).and(&[limits::ADDRESS]),
        route("GET", "/api/v1/users/me/social", Requests),
        route("POST", "/api/v1/users/me/social/{provider}", Limited(SOCIAL)).and(FACTORS),
        route("POST", "/api/v1/users/me/social/{provider}/callback", Limited(SOCIAL)),
        route("DELETE", "/api/v1/users/me/social/{provider}", Requests).and(FACTORS),
        route("GET", "/api/v1/sessions", Requests),
        route("DELETE", "/api/v1/sessions", Requests),
        route("DELETE", "/api/v1/sessions/{id}", Requests),
        route("GET", "/api/v1/login-history", Requests),
        // Coming and going.
        route("GET", "/api/v1/attendance/status", Requests),
        route("POST", "/api/v1/attendance/in", Requests).and(&[limits::ATTENDANCE]),
        route("POST", "/api/v1/attendance/out", Requests).and(&[limits::ATTENDANCE]),
        route("GET", "/api/v1/attendances", Requests),
        // Other people's accounts.
        route("GET", "/api/v1/admin/users", Requests).and(ADMINS),
        route("POST", "/api/v1/admin/users", Requests).and(ADMINS),
        route("GET", "/api/v1/admin/users/{id}", Requests).and(ADMINS),
        route("PATCH", "/api/v1/admin/users/{id}", Requests).and(ADMINS),
        route("DELETE", "/api/v1/admin/users/{id}", Requests).and(ADMINS),
        route("DELETE", "/api/v1/admin/users/{id}/sessions", Requests).and(ADMINS),
        route("POST", "/api/v1/admin/users/{id}/impersonations", Requests).and(&[limits::ADMIN, limits::IMPERSONATION]),
        route("GET", "/api/v1/admin/sessions", Requests).and(ADMINS),
        route("DELETE", "/api/v1/admin/sessions", Requests).and(ADMINS),
        route("DELETE", "/api/v1/admin/sessions/{id}", Requests).and(ADMINS),
        route("GET", "/api/v1/admin/attendances", Requests).and(ADMINS),
        route("GET", "/api/v1/admin/attendances/export", Requests).and(ADMINS),
        route("GET", "/api/v1/admin/users/{id}/attendances", Requests).and(ADMINS),
        route("GET", "/api/v1/admin/audit-events", Requests).and(ADMINS),
        route("GET", "/api/v1/admin/outbox", Requests).and(ADMINS),
        route("POST", "/api/v1/admin/outbox/{id}/retry", Requests).and(ADMINS),
    ]
};

/// The line of a request. None for what no route is at.
pub(super) fn of(method: &Method, path: &str) -> Option<&'static RouteLimits> {
    // HEAD does what GET does.
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    LIMITS.iter().find(|line| line.method == method.as_str() && is_path_of(line.path, path))
}

/// Whether a path is one of a route, whose parameters are in braces.
fn is_path_of(route: &str, path: &str) -> bool {
    if !route.contains('{') {
        return route == path;
    }
    let mut segments = path.split('/');
    let fits =
        |own: &str| segments.next().is_some_and(|it| if own.starts_with('{') { !it.is_empty() } else { own == it });
    route.split('/').all(fits) && segments.next().is_none()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use keystead_domain::limits::RATE_POLICIES;

    use super::*;
    use crate::authorization::RULES;

    /// Whoever adds a route says what it counts.
    #[test]
    fn every_route_is_here_and_nothing_else() {
        let declared: Vec<_> = RULES.iter().map(|rule| (rule.method, rule.path)).collect();
        let limited: Vec<_> = LIMITS.iter().map(|line| (line.method, line.path)).collect();
        let missing: Vec<_> = declared.iter().filter(|route| !limited.contains(route)).collect();
        assert!(missing.is_empty(), "say what these count: {missing:?}");
        let unknown: Vec<_> = limited.iter().filter(|route| !declared.contains(route)).collect();
        assert!(unknown.is_empty(), "no such routes: {unknown:?}");
        assert_eq!(limited.len(), limited.iter().collect::<BTreeSet<_>>().len(), "a route is here twice");
    }

    #[test]
    fn every_policy_is_counted_somewhere_and_by_what_it_says() {
        let refusing = ADDRESS_POLICIES.iter().map(|policy| policy.host.name);
        let by_address: BTreeSet<&str> = refusing.chain([limits::SLOW_DOWN.name]).collect();
        let mut counted = BTreeSet::new();
        for line in LIMITS {
            counted.extend(line.address.limits().map(|policy| policy.host.name));
            counted.extend(line.address.slow_down().map(|policy| policy.name));
            for policy in line.account {
                assert!(!by_address.contains(policy.name), "{line:?}");
                counted.insert(policy.name);
            }
        }
        let all: BTreeSet<&str> = RATE_POLICIES.iter().map(|policy| policy.name).collect();
        assert_eq!(counted, all);
        for policy in RATE_POLICIES {
            assert_eq!(policy.per == "client address", by_address.contains(policy.name), "{policy:?}");
        }
        let names: BTreeSet<&str> = ADDRESS_POLICIES.iter().map(|policy| policy.site).chain(all).collect();
        assert_eq!(names.len(), ADDRESS_POLICIES.len() + RATE_POLICIES.len(), "a name stands for two counters");
    }

    #[test]
    fn nothing_is_uncounted_but_what_asks_no_store_and_probes_that_share_an_answer() {
        let uncounted: Vec<_> =
            LIMITS.iter().filter(|line| matches!(line.address, PerAddress::Nothing(_))).map(|line| line.path).collect();
        let hot = [
            "/.well-known/change-password",
            "/.well-known/jwks.json",
            "/.well-known/passkey-endpoints",
            "/health/live",
            "/health/ready",
            "/healthz",
            "/readyz",
            "/api/v1/auth/token/verify",
        ];
        assert_eq!(uncounted, hot);
    }

    #[test]
    fn head_is_counted_as_get() {
        let is_counted = |method| of(&method, "/api/v1/auth/token").is_some();
        assert_eq!([Method::HEAD, Method::GET, Method::POST].map(is_counted), [true, true, false]);
    }

    #[test]
    fn parameters_stand_for_one_segment() {
        let is_counted = |path| of(&Method::POST, path).is_some();
        for path in ["/api/v1/social/idp", "/api/v1/social/idp/callback", "/api/v1/users/me/social/idp"] {
            assert!(is_counted(path), "{path}");
        }
        for path in ["/api/v1/social", "/api/v1/social/", "/api/v1/social/idp/callback/x", "/api/v1/social/idp/other"] {
            assert!(!is_counted(path), "{path}");
        }
    }
}
