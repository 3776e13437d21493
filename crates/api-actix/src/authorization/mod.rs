//! Who may use which route, declared once.
//!
//! [`RULES`] is what the extractors decide by, what `docs/authorization.md` is printed from, and what a test walks over HTTP with
//! every kind of caller (G12). A route that is not in it is refused to everybody.

mod page;
mod table;

use keystead_domain::account::Role;
use keystead_domain::token::PreAuthorizedPurpose;

pub use page::authorization_markdown;
pub use table::RULES;

/// Whom a route is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admits {
    /// Everybody; a token changes nothing.
    Everybody,
    /// Whoever shows a refresh token, in a cookie or body.
    RefreshHolder,
    /// Whoever shows an access or a refresh token of a session, over or not.
    SessionHolder,
    /// Whoever is half-way through one of these.
    HalfWay(&'static [PreAuthorizedPurpose]),
    /// The same, and whoever shows no token at all.
    HalfWayOrNobody(&'static [PreAuthorizedPurpose]),
    /// Whoever is signed in.
    SignedIn,
    /// Whoever is signed in and has at least this role.
    Role(Role),
}

/// Which proof of a second factor a route wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepUp {
    /// None.
    Never,
    /// One, of whoever enrolled a factor; of others that they proved who they are within five minutes. The use-case decides: it
    /// has to look at the account anyway, in its transaction.
    IfEnrolled,
    /// One, of whoever enrolled a factor; others show their current password with the request. The use-case decides.
    IfEnrolledElsePassword,
    /// One, of everybody.
    Always,
}

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The method; GET stands for HEAD, too.
    pub method: &'static str,
    /// The path, with its parameters in braces.
    pub path: &'static str,
    /// Whom it is for.
    pub admits: Admits,
    /// Which proof it wants besides.
    pub step_up: StepUp,
    /// Whether an administrator who acts as a user may use it. Never what belongs to the person: credentials, contacts,
    /// factors, sessions, the account's end, and all of administration.
    pub impersonated: bool,
}

impl Rule {
    const fn new(method: &'static str, path: &'static str, admits: Admits) -> Self {
        Self { method, path, admits, step_up: StepUp::Never, impersonated: true }
    }

    /// Not while acting as somebody else.
    const fn in_person(self) -> Self {
        Self { impersonated: false, ..self }
    }

    /// Only in person, and with a proof if a factor is enrolled.
    const fn proved_if_enrolled(self) -> Self {
        Self { step_up: StepUp::IfEnrolled, impersonated: false, ..self }
    }

    /// Only in person, and with a proof if a factor is enrolled; the current password, which the request holds, is enough
    /// otherwise.
    const fn proved_if_enrolled_else_by_password(self) -> Self {
        Self { step_up: StepUp::IfEnrolledElsePassword, impersonated: false, ..self }
    }

    /// Only in person, and with a proof.
    const fn proved(self) -> Self {
        Self { step_up: StepUp::Always, impersonated: false, ..self }
    }
}

/// The rules of a path. None for a path nobody declared.
pub fn rules_of(path: &str) -> Vec<&'static Rule> {
    RULES.iter().filter(|rule| rule.path == path).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_declared_once() {
        let declared: BTreeSet<_> = RULES.iter().map(|rule| (rule.path, rule.method)).collect();
        assert_eq!(declared.len(), RULES.len());
        assert_eq!(rules_of("/api/v1/nowhere"), [] as [&Rule; 0]);
    }

    #[test]
    fn nobody_acts_as_somebody_else_where_it_matters() {
        let belongs_to_the_person = |path: &str| {
            let rooms = [
                "/auth/password",
                "/auth/otp",
                "/auth/reauth",
                "/totp",
                "/recovery-codes",
                "/passkeys",
                "/contacts",
                "/sessions",
            ];
            rooms.iter().any(|room| path.starts_with(&format!("/api/v1{room}"))) || path.contains("/admin/")
        };
        for rule in RULES.iter().filter(|rule| matches!(rule.admits, Admits::SignedIn | Admits::Role(_))) {
            assert!(!(rule.impersonated && belongs_to_the_person(rule.path)), "{rule:?}");
            assert!(!(rule.impersonated && rule.step_up != StepUp::Never), "{rule:?}");
            assert_eq!(matches!(rule.admits, Admits::Role(_)), rule.path.contains("/admin/"), "{rule:?}");
            assert!(!matches!(rule.admits, Admits::Role(_)) || rule.step_up == StepUp::Always, "{rule:?}");
        }
    }
}
