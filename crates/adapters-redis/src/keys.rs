use std::time::Duration;

use keystead_application::ports::CeremonyKey;
use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::token::SessionId;

/// How much longer than what it holds a key stays: time to live collects garbage, and decides nothing.
const SLACK: Duration = Duration::from_secs(3600);
/// The same of a rate window. Every address that ever asks has some: an hour more would be several times their memory.
const WINDOW_SLACK: Duration = Duration::from_secs(60);

/// The names of keys. What stands in braces decides the slot in a cluster.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(prefix: String) -> Self {
        Self { prefix }
    }

    pub(crate) fn session(&self, id: &SessionId) -> String {
        format!("{}:s:{{{id}}}", self.prefix)
    }

    pub(crate) fn sessions_of(&self, user: UserId) -> String {
        format!("{}:u:{{{user}}}", self.prefix)
    }

    pub(crate) fn ceremony(&self, key: &CeremonyKey) -> String {
        format!("{}:c:{{{}:{}}}", self.prefix, key.kind.as_str(), key.id)
    }

    pub(crate) fn rate(&self, policy: &str, key: &str) -> String {
        format!("{}:r:{{{policy}:{key}}}", self.prefix)
    }

    /// The stream of revocations.
    pub(crate) fn feed(&self) -> String {
        format!("{}:f:{{revocations}}", self.prefix)
    }

    /// What the stream of revocations is called, and how many entries it ever had.
    pub(crate) fn feed_state(&self) -> String {
        format!("{}:fs:{{revocations}}", self.prefix)
    }
}

/// The time to live, in milliseconds, of what is made at `now` and dead from `end` on.
pub(crate) fn time_to_live(now: Timestamp, end: Timestamp) -> u64 {
    millis(end.since(now) + SLACK)
}

/// The same of a rate window.
pub(crate) fn window_time_to_live(now: Timestamp, end: Timestamp) -> u64 {
    millis(end.since(now) + WINDOW_SLACK)
}

fn millis(life: Duration) -> u64 {
    u64::try_from(life.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use keystead_application::ports::CeremonyKind;

    use super::*;

    #[test]
    fn names_are_those_of_the_table() {
        let keys = Keys::new("keystead".into());
        assert_eq!(keys.session(&SessionId::parse("abc").unwrap()), "keystead:s:{abc}");
        let key = CeremonyKey { kind: CeremonyKind::Code, id: "abc".into() };
        assert_eq!(keys.ceremony(&key), "keystead:c:{code:abc}");
        assert_eq!(keys.rate("login", "10.0.0.1"), "keystead:r:{login:10.0.0.1}");
    }

    #[test]
    fn what_is_dead_already_stays_an_hour() {
        let now = Timestamp::from_seconds(100);
        assert_eq!(time_to_live(now, now.plus(Duration::from_secs(5))), 3_605_000);
        assert_eq!(time_to_live(now, Timestamp::from_seconds(5)), 3_600_000);
        assert_eq!(window_time_to_live(now, now.plus(Duration::from_secs(5))), 65_000);
    }
}
