//! What a rule says to a caller: computed from the rule, cell by cell.

use keystead_api_actix::authorization::{Admits, Rule, StepUp};
use keystead_domain::account::Role;
use keystead_domain::token::PreAuthorizedPurpose as Purpose;

use crate::support::{Refusal, refusal};

/// What a caller shows, as far as authorization goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// No token.
    Nothing,
    /// A half-way token, with its client id.
    HalfWay(Purpose),
    /// A half-way token, with another client id.
    HalfWayElsewhere(Purpose),
    /// An access token that is over.
    Revoked,
    /// An access token that counts, with another client id or none.
    Elsewhere,
    /// A refresh token in place of an access token.
    Refresh,
    /// Something else we made, in place of an access token.
    Foreign,
    /// An access token that counts.
    Access(Standing),
}

/// Who shows an access token that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact a rule asks for by itself")]
pub struct Standing {
    pub role: Role,
    /// Has a second factor.
    pub enrolled: bool,
    /// Shows a proof of it that counts.
    pub proved: bool,
    /// Proved who they are within five minutes.
    pub fresh: bool,
    /// An administrator acts as them.
    pub impersonated: bool,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Not refused for want of authorization.
    Passes,
    /// Refused with this.
    Refused(Refusal),
}

/// Every code a request is refused with for want of authorization.
pub const CODES: [&str; 10] = [
    "TOKEN_MISSING",
    "TOKEN_INVALID",
    "TOKEN_EXPIRED",
    "TOKEN_REVOKED",
    "FINGERPRINT_MISMATCH",
    "REFRESH_INVALID",
    "FORBIDDEN",
    "MFA_REQUIRED",
    "REAUTH_REQUIRED",
    "IMPERSONATION_FORBIDDEN",
];

/// What a rule says to whoever shows this.
pub fn expected(rule: &Rule, shows: Shows) -> Expected {
    let refused = match rule.admits {
        Admits::Everybody => None,
        // Nobody here shows a refresh token where one belongs.
        Admits::RefreshHolder => Some((401, "REFRESH_INVALID")),
        Admits::SessionHolder if matches!(shows, Shows::Revoked | Shows::Refresh) => None,
        Admits::HalfWayOrNobody(_) if shows == Shows::Nothing => None,
        Admits::HalfWay(purposes) | Admits::HalfWayOrNobody(purposes) => half_way(purposes, shows),
        Admits::SessionHolder | Admits::SignedIn | Admits::Role(_) => signed_in(rule, shows),
    };
    refused.map_or(Expected::Passes, |(status, code)| Expected::Refused(refusal(status, code)))
}

fn half_way(purposes: &[Purpose], shows: Shows) -> Option<(u16, &'static str)> {
    match shows {
        Shows::Nothing => Some((401, "TOKEN_MISSING")),
        Shows::HalfWay(purpose) if purposes.contains(&purpose) => None,
        Shows::HalfWayElsewhere(purpose) if purposes.contains(&purpose) => Some((401, "FINGERPRINT_MISMATCH")),
        _ => Some((401, "TOKEN_INVALID")),
    }
}

fn signed_in(rule: &Rule, shows: Shows) -> Option<(u16, &'static str)> {
    match shows {
        Shows::Nothing => Some((401, "TOKEN_MISSING")),
        Shows::Revoked => Some((401, "TOKEN_REVOKED")),
        Shows::Elsewhere => Some((401, "FINGERPRINT_MISMATCH")),
        Shows::HalfWay(_) | Shows::HalfWayElsewhere(_) | Shows::Refresh | Shows::Foreign => {
            Some((401, "TOKEN_INVALID"))
        }
        Shows::Access(who) => standing(rule, who).map(|code| (403, code)),
    }
}

fn standing(rule: &Rule, who: Standing) -> Option<&'static str> {
    if who.impersonated && !rule.impersonated {
        return Some("IMPERSONATION_FORBIDDEN");
    }
    if matches!(rule.admits, Admits::Role(least) if who.role < least) {
        return Some("FORBIDDEN");
    }
    match rule.step_up {
        StepUp::Never => None,
        _ if who.proved => None,
        StepUp::Always => Some("MFA_REQUIRED"),
        StepUp::IfEnrolled | StepUp::IfEnrolledElsePassword if who.enrolled => Some("MFA_REQUIRED"),
        // The password is right in every request that is to be refused for something else.
        StepUp::IfEnrolledElsePassword => None,
        // Administrators always prove something: a code to their contact, when they have nothing else.
        StepUp::IfEnrolled if who.role >= Role::Admin => Some("MFA_REQUIRED"),
        StepUp::IfEnrolled => (!who.fresh).then_some("REAUTH_REQUIRED"),
    }
}
