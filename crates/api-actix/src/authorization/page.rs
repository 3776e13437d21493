use std::fmt::Write as _;

use super::{Admits, RULES, Rule, StepUp};

/// `docs/authorization.md`.
pub fn authorization_markdown() -> String {
    let mut text = String::from(
        "# Who may use which route\n\nGenerated from `crates/api-actix/src/authorization/table.rs`; do not edit.\n\n\
         This table is what the extractors decide by. A route that is not in it answers 403 to everybody. A test sends every\n\
         combination of route and caller over HTTP: nobody, half-way, signed in, of another role, with and without a proof,\n\
         stale, banned, demoted, impersonated (G12).\n\n\
         *Step-up* is the proof of a second factor, `OTP-Authorization: Bearer`: without it 403 `MFA_REQUIRED`. *If enrolled*\n\
         means: of whoever enrolled a factor; of others a sign-in or `POST /api/v1/auth/reauth` within five minutes, else 403\n\
         `REAUTH_REQUIRED`; *else the password*: of others the current password, which the request holds.\n\
         *Impersonated* says whether an administrator who acts as a user may use the route; where not, 403\n\
         `IMPERSONATION_FORBIDDEN`. Whose role is too small gets 403 `FORBIDDEN`. Each of these refusals is in the audit log as\n\
         `authz_fail`, but missing proofs.\n\n\
         | method | path | for | step-up | impersonated |\n|---|---|---|---|---|\n",
    );
    for rule in RULES {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", line(rule));
    }
    text
}

fn line(rule: &Rule) -> String {
    let step_up = match rule.step_up {
        StepUp::Never => "",
        StepUp::IfEnrolled => "if enrolled",
        StepUp::IfEnrolledElsePassword => "if enrolled, else the password",
        StepUp::Always => "always",
    };
    let impersonated = match rule.admits {
        Admits::SignedIn | Admits::Role(_) | Admits::SessionHolder if rule.impersonated => "yes",
        Admits::SignedIn | Admits::Role(_) => "no",
        _ => "",
    };
    format!("| {} | `{}` | {} | {step_up} | {impersonated} |", rule.method, rule.path, admits(rule.admits))
}

fn admits(admits: Admits) -> String {
    let purposes = |purposes: &[keystead_domain::token::PreAuthorizedPurpose]| {
        purposes.iter().map(|purpose| format!("`{}`", purpose.as_str())).collect::<Vec<_>>().join(", ")
    };
    match admits {
        Admits::Everybody => "everybody".to_owned(),
        Admits::RefreshHolder => "a refresh token".to_owned(),
        Admits::SessionHolder => "an access or refresh token".to_owned(),
        Admits::HalfWay(of) => format!("half-way: {}", purposes(of)),
        Admits::HalfWayOrNobody(of) => format!("nobody, or half-way: {}", purposes(of)),
        Admits::SignedIn => "signed in".to_owned(),
        Admits::Role(role) => format!("role `{role}` and above"),
    }
}
