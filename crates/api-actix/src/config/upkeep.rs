use std::time::Duration;

use keystead_application::settings::Retention;

use super::reader::{Noted, Reader, Reading};
use super::values::boolean;

const DAY: Duration = Duration::from_hours(24);

/// The longest time that can be configured, in days: ten years.
const MOST_DAYS: u64 = 3650;

/// `[admin]`: what people in charge may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminConfig {
    /// Whether people are sent a message when an administrator begins to act as them.
    pub notify_impersonation: bool,
}

impl AdminConfig {
    pub(super) fn read(r: &mut Reader) -> Reading<Self> {
        Ok(Self { notify_impersonation: r.value("admin.notify_impersonation", boolean)? })
    }
}

/// `[audit]`: where audit events go besides the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditConfig {
    /// Whether each event is a line of JSON on standard output.
    pub stream: bool,
}

impl AuditConfig {
    pub(super) fn read(r: &mut Reader) -> Reading<Self> {
        Ok(Self { stream: r.value("audit.stream", boolean)? })
    }
}

/// `[retention]`: how long what nobody needs any more is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionConfig {
    /// Accounts that their owners closed.
    pub deactivated: Duration,
    /// Logins, for their owner to read.
    pub login_history: Duration,
    /// Audit events; `None`: for ever.
    pub audit: Option<Duration>,
}

impl RetentionConfig {
    /// `session_life` is how long a session may live: its login must be shown for as long.
    pub(super) fn read(r: &mut Reader, session_life: Option<Duration>) -> Reading<Self> {
        let days = |days: u64| DAY * u32::try_from(days).unwrap_or(u32::MAX);
        let deactivated = r.integer("retention.deactivated_days", 0..=MOST_DAYS).map(days);
        let login_history = r.integer("retention.login_history_days", 1..=MOST_DAYS).map(days);
        let audit = r.integer("retention.audit_days", 0..=MOST_DAYS);
        let login_history = login_history?;
        let least = session_life.unwrap_or_default();
        if login_history < least && r.is_set("retention.login_history_days") {
            let fix = "keep logins at least as long as tokens.session_life";
            r.fault("retention.login_history_days", "is shorter than the life of a session", fix);
            return Err(Noted);
        }
        let audit = audit?;
        Ok(Self {
            deactivated: deactivated?,
            login_history: login_history.max(least),
            audit: (audit > 0).then(|| days(audit)),
        })
    }

    /// The same, as use-cases need it. What is kept for ever is kept longer than time lasts.
    pub fn settings(&self) -> Retention {
        Retention {
            deactivated: self.deactivated,
            logins: self.login_history,
            audit: self.audit.unwrap_or(Duration::MAX),
        }
    }
}
