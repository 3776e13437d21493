//! What the keys of administration, audit log and retention are.

use std::time::Duration;

use keystead_domain::limits;

use super::table::{Row, value};
use super::{Fallback, Kind};

/// A default figure in days.
fn days(default: Duration) -> Fallback {
    value((default.as_secs() / 86_400).to_string())
}

pub(super) fn upkeep() -> Vec<Row> {
    vec![
        (
            "admin.notify_impersonation",
            Kind::Bool,
            value("true"),
            "Whether people are sent a message when an administrator begins to act as them. They see it in their sessions \
             either way.",
        ),
        (
            "audit.stream",
            Kind::Bool,
            value("true"),
            "Whether each audit event is also a line of JSON on standard output, for whatever collects logs.",
        ),
        (
            "retention.deactivated_days",
            Kind::Integer,
            days(limits::DEACTIVATED_KEPT),
            "Days an account that its owner closed is kept before it is deleted, with everything but its audit events.",
        ),
        (
            "retention.login_history_days",
            Kind::Integer,
            days(limits::LOGIN_HISTORY_KEPT),
            "Days logins are kept for their owner to read; never less than `tokens.session_life`.",
        ),
        ("retention.audit_days", Kind::Integer, days(limits::AUDIT_KEPT), "Days audit events are kept; 0: for ever."),
    ]
}
