use keystead_domain::account::Role;
use keystead_domain::token::PreAuthorizedPurpose::{self as Purpose, Login, Passwordless, Register, Reset};

use super::{Admits, Rule};

/// A question for a second factor is asked at a login and at a reset.
const QUESTION: &[Purpose] = &[Login, Reset];

const fn everybody(method: &'static str, path: &'static str) -> Rule {
    Rule::new(method, path, Admits::Everybody)
}

const fn half_way(method: &'static str, path: &'static str, purposes: &'static [Purpose]) -> Rule {
    Rule::new(method, path, Admits::HalfWay(purposes))
}

const fn signed_in(method: &'static str, path: &'static str) -> Rule {
    Rule::new(method, path, Admits::SignedIn)
}

const fn admin(method: &'static str, path: &'static str) -> Rule {
    Rule::new(method, path, Admits::Role(Role::Admin)).proved()
}

const fn super_admin(method: &'static str, path: &'static str) -> Rule {
    Rule::new(method, path, Admits::Role(Role::SuperAdmin)).proved()
}

/// Every route there is.
pub const RULES: &[Rule] = &[
    everybody("GET", "/.well-known/change-password"),
    everybody("GET", "/.well-known/jwks.json"),
    everybody("GET", "/.well-known/passkey-endpoints"),
    everybody("GET", "/health/live"),
    everybody("GET", "/health/ready"),
    everybody("GET", "/healthz"),
    everybody("GET", "/readyz"),
    everybody("GET", "/api/v1/openapi.json"),
    // Signing up, signing in, signing out.
    everybody("POST", "/api/v1/auth/register"),
    half_way("POST", "/api/v1/auth/register/verify", &[Register]),
    everybody("POST", "/api/v1/captcha/challenge"),
    everybody("POST", "/api/v1/auth/activate"),
    everybody("POST", "/api/v1/auth/login"),
    half_way("POST", "/api/v1/auth/login/code", QUESTION),
    half_way("POST", "/api/v1/auth/login/otp", &[Register, Login, Reset]),
    Rule::new("POST", "/api/v1/auth/login/passkey", Admits::HalfWayOrNobody(QUESTION)),
    Rule::new("POST", "/api/v1/auth/login/passkey/options", Admits::HalfWayOrNobody(QUESTION)),
    everybody("POST", "/api/v1/auth/passwordless"),
    half_way("POST", "/api/v1/auth/passwordless/verify", &[Passwordless]),
    everybody("POST", "/api/v1/auth/srp/register"),
    everybody("POST", "/api/v1/auth/srp/challenge"),
    everybody("POST", "/api/v1/auth/srp/login"),
    signed_in("POST", "/api/v1/auth/srp/verifier").proved_if_enrolled(),
    Rule::new("POST", "/api/v1/auth/logout", Admits::SessionHolder),
    // Tokens.
    Rule::new("POST", "/api/v1/auth/refresh", Admits::RefreshHolder),
    Rule::new("GET", "/api/v1/auth/token", Admits::RefreshHolder),
    everybody("GET", "/api/v1/auth/status"),
    signed_in("POST", "/api/v1/auth/token/verify"),
    signed_in("DELETE", "/api/v1/auth/tokens/{jti}").in_person(),
    // Passwords.
    everybody("POST", "/api/v1/auth/password/forgot"),
    everybody("POST", "/api/v1/auth/password/reset/begin"),
    half_way("POST", "/api/v1/auth/password/reset", &[Reset]),
    signed_in("PATCH", "/api/v1/auth/password").proved_if_enrolled_else_by_password(),
    // Proving more.
    signed_in("POST", "/api/v1/auth/reauth").in_person(),
    signed_in("POST", "/api/v1/auth/otp").in_person(),
    signed_in("PUT", "/api/v1/auth/otp").in_person(),
    signed_in("POST", "/api/v1/auth/otp/passkey").in_person(),
    signed_in("POST", "/api/v1/auth/otp/passkey/options").in_person(),
    // Factors and contacts.
    signed_in("POST", "/api/v1/totp").proved_if_enrolled(),
    signed_in("DELETE", "/api/v1/totp").proved_if_enrolled(),
    signed_in("POST", "/api/v1/totp/confirm").proved_if_enrolled(),
    signed_in("POST", "/api/v1/recovery-codes").proved(),
    signed_in("GET", "/api/v1/passkeys").in_person(),
    signed_in("POST", "/api/v1/passkeys").proved_if_enrolled(),
    signed_in("POST", "/api/v1/passkeys/options").proved_if_enrolled(),
    signed_in("PATCH", "/api/v1/passkeys/{id}").proved_if_enrolled(),
    signed_in("DELETE", "/api/v1/passkeys/{id}").proved_if_enrolled(),
    signed_in("GET", "/api/v1/contacts").in_person(),
    signed_in("POST", "/api/v1/contacts").proved_if_enrolled(),
    everybody("POST", "/api/v1/contacts/undo"),
    signed_in("PATCH", "/api/v1/contacts/{id}").proved_if_enrolled(),
    signed_in("DELETE", "/api/v1/contacts/{id}").proved_if_enrolled(),
    signed_in("POST", "/api/v1/contacts/{id}/verify").proved_if_enrolled(),
    // One's own account.
    signed_in("GET", "/api/v1/users/me"),
    signed_in("PATCH", "/api/v1/users/me").in_person(),
    signed_in("DELETE", "/api/v1/users/me").proved_if_enrolled(),
    signed_in("GET", "/api/v1/users/me/export").in_person(),
    // Accounts elsewhere.
    everybody("GET", "/api/v1/social"),
    everybody("POST", "/api/v1/social/{provider}"),
    everybody("GET", "/api/v1/social/{provider}/callback"),
    everybody("POST", "/api/v1/social/{provider}/callback"),
    signed_in("GET", "/api/v1/users/me/social").in_person(),
    signed_in("POST", "/api/v1/users/me/social/{provider}").proved_if_enrolled(),
    // What it takes was proved when the flow began, whose state it has to show.
    signed_in("POST", "/api/v1/users/me/social/{provider}/callback").in_person(),
    signed_in("DELETE", "/api/v1/users/me/social/{provider}").proved_if_enrolled(),
    signed_in("GET", "/api/v1/sessions").in_person(),
    signed_in("DELETE", "/api/v1/sessions").in_person(),
    signed_in("DELETE", "/api/v1/sessions/{id}").in_person(),
    signed_in("GET", "/api/v1/login-history"),
    // Coming and going.
    signed_in("GET", "/api/v1/attendance/status").in_person(),
    signed_in("POST", "/api/v1/attendance/in").proved(),
    signed_in("POST", "/api/v1/attendance/out").proved(),
    signed_in("GET", "/api/v1/attendances").in_person(),
    // Other people's accounts.
    admin("GET", "/api/v1/admin/users"),
    admin("POST", "/api/v1/admin/users"),
    admin("GET", "/api/v1/admin/users/{id}"),
    admin("PATCH", "/api/v1/admin/users/{id}"),
    admin("DELETE", "/api/v1/admin/users/{id}"),
    admin("DELETE", "/api/v1/admin/users/{id}/sessions"),
    super_admin("POST", "/api/v1/admin/users/{id}/impersonations"),
    admin("GET", "/api/v1/admin/sessions"),
    super_admin("DELETE", "/api/v1/admin/sessions"),
    admin("DELETE", "/api/v1/admin/sessions/{id}"),
    admin("GET", "/api/v1/admin/attendances"),
    admin("GET", "/api/v1/admin/attendances/export"),
    admin("GET", "/api/v1/admin/users/{id}/attendances"),
    admin("GET", "/api/v1/admin/audit-events"),
    admin("GET", "/api/v1/admin/outbox"),
    admin("POST", "/api/v1/admin/outbox/{id}/retry"),
];
