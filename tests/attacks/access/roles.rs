//! Z03: the table itself, against what was decided. The walk shows that the service does what its table says; that the table
//! says the right thing is written down here once more, by hand.

use std::collections::BTreeSet;
use std::fmt::Debug;

use keystead_api_actix::authorization::{Admits, RULES, Rule, StepUp};
use keystead_domain::account::Role;

/// Every route that needs a role, with the least one. All of them want a proof of a second factor, of everybody.
const ADMINISTRATION: [(&str, &str, Role); 16] = [
    ("GET", "/api/v1/admin/users", Role::Admin),
    ("POST", "/api/v1/admin/users", Role::Admin),
    ("GET", "/api/v1/admin/users/{id}", Role::Admin),
    ("PATCH", "/api/v1/admin/users/{id}", Role::Admin),
    ("DELETE", "/api/v1/admin/users/{id}", Role::Admin),
    ("DELETE", "/api/v1/admin/users/{id}/sessions", Role::Admin),
    ("POST", "/api/v1/admin/users/{id}/impersonations", Role::SuperAdmin),
    ("GET", "/api/v1/admin/users/{id}/attendances", Role::Admin),
    ("GET", "/api/v1/admin/sessions", Role::Admin),
    ("DELETE", "/api/v1/admin/sessions", Role::SuperAdmin),
    ("DELETE", "/api/v1/admin/sessions/{id}", Role::Admin),
    ("GET", "/api/v1/admin/attendances", Role::Admin),
    ("GET", "/api/v1/admin/attendances/export", Role::Admin),
    ("GET", "/api/v1/admin/audit-events", Role::Admin),
    ("GET", "/api/v1/admin/outbox", Role::Admin),
    ("POST", "/api/v1/admin/outbox/{id}/retry", Role::Admin),
];

/// Every other route that asks for a proof of a second factor, and of whom.
const PROVED: [(&str, &str, StepUp); 19] = [
    ("POST", "/api/v1/recovery-codes", StepUp::Always),
    ("POST", "/api/v1/attendance/in", StepUp::Always),
    ("POST", "/api/v1/attendance/out", StepUp::Always),
    ("PATCH", "/api/v1/auth/password", StepUp::IfEnrolledElsePassword),
    ("POST", "/api/v1/auth/srp/verifier", StepUp::IfEnrolled),
    ("POST", "/api/v1/totp", StepUp::IfEnrolled),
    ("DELETE", "/api/v1/totp", StepUp::IfEnrolled),
    ("POST", "/api/v1/totp/confirm", StepUp::IfEnrolled),
    ("POST", "/api/v1/passkeys", StepUp::IfEnrolled),
    ("POST", "/api/v1/passkeys/options", StepUp::IfEnrolled),
    ("PATCH", "/api/v1/passkeys/{id}", StepUp::IfEnrolled),
    ("DELETE", "/api/v1/passkeys/{id}", StepUp::IfEnrolled),
    ("POST", "/api/v1/contacts", StepUp::IfEnrolled),
    ("PATCH", "/api/v1/contacts/{id}", StepUp::IfEnrolled),
    ("DELETE", "/api/v1/contacts/{id}", StepUp::IfEnrolled),
    ("POST", "/api/v1/contacts/{id}/verify", StepUp::IfEnrolled),
    ("DELETE", "/api/v1/users/me", StepUp::IfEnrolled),
    ("POST", "/api/v1/users/me/social/{provider}", StepUp::IfEnrolled),
    ("DELETE", "/api/v1/users/me/social/{provider}", StepUp::IfEnrolled),
];

/// Every route that asks for no token at all, or takes a caller without one.
const OPEN: [(&str, &str); 26] = [
    ("GET", "/.well-known/change-password"),
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/.well-known/passkey-endpoints"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/api/v1/openapi.json"),
    ("POST", "/api/v1/auth/register"),
    ("POST", "/api/v1/captcha/challenge"),
    ("POST", "/api/v1/auth/activate"),
    ("POST", "/api/v1/auth/login"),
    ("POST", "/api/v1/auth/login/passkey"),
    ("POST", "/api/v1/auth/login/passkey/options"),
    ("POST", "/api/v1/auth/passwordless"),
    ("POST", "/api/v1/auth/srp/register"),
    ("POST", "/api/v1/auth/srp/challenge"),
    ("POST", "/api/v1/auth/srp/login"),
    ("GET", "/api/v1/auth/status"),
    ("POST", "/api/v1/auth/password/forgot"),
    ("POST", "/api/v1/auth/password/reset/begin"),
    ("POST", "/api/v1/contacts/undo"),
    ("GET", "/api/v1/social"),
    ("POST", "/api/v1/social/{provider}"),
    ("GET", "/api/v1/social/{provider}/callback"),
    ("POST", "/api/v1/social/{provider}/callback"),
];

/// Both ways: nothing is declared that is not written here, and nothing is written here that is not declared.
#[track_caller]
fn same<T: Ord + Debug>(declared: impl Iterator<Item = T>, wanted: impl IntoIterator<Item = T>) {
    let (declared, wanted): (BTreeSet<T>, BTreeSet<T>) = (declared.collect(), wanted.into_iter().collect());
    let (more, missing): (Vec<&T>, Vec<&T>) =
        (declared.difference(&wanted).collect(), wanted.difference(&declared).collect());
    assert!(more.is_empty() && missing.is_empty(), "declared alone: {more:#?}\nwritten here alone: {missing:#?}");
}

fn named(proof: StepUp) -> &'static str {
    match proof {
        StepUp::Never => "never",
        StepUp::IfEnrolled => "if enrolled",
        StepUp::IfEnrolledElsePassword => "if enrolled, else by password",
        StepUp::Always => "always",
    }
}

#[test]
fn z03_routes_of_administration_are_these() {
    let of_a_role = |rule: &Rule| match rule.admits {
        Admits::Role(least) => Some((rule.method, rule.path, least.as_str(), named(rule.step_up), rule.impersonated)),
        _ => None,
    };
    let wanted = ADMINISTRATION.map(|(method, path, least)| (method, path, least.as_str(), "always", false));
    same(RULES.iter().filter_map(of_a_role), wanted);
    // Whatever is added there is for administrators.
    let astray: Vec<&Rule> =
        RULES.iter().filter(|rule| rule.path.contains("/admin") && !matches!(rule.admits, Admits::Role(_))).collect();
    assert!(astray.is_empty(), "{astray:#?}");
}

#[test]
fn z03_other_routes_that_want_a_proof_are_these() {
    let wants = |rule: &&Rule| !matches!(rule.admits, Admits::Role(_)) && rule.step_up != StepUp::Never;
    let declared = RULES.iter().filter(wants).inspect(|rule| assert_eq!(rule.admits, Admits::SignedIn, "{rule:?}"));
    let declared = declared.map(|rule| (rule.method, rule.path, named(rule.step_up), rule.impersonated));
    same(declared, PROVED.map(|(method, path, proof)| (method, path, named(proof), false)));
}

#[test]
fn z03_routes_without_a_token_are_these() {
    let open = |rule: &&Rule| matches!(rule.admits, Admits::Everybody | Admits::HalfWayOrNobody(_));
    same(RULES.iter().filter(open).map(|rule| (rule.method, rule.path)), OPEN);
}
