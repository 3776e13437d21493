//! Waiting for other processes: a condition is looked at until it holds or the time is up.

use std::time::{Duration, Instant};

use crate::{Error, Result};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks until `condition` gives something, for `limit` at most; `what` completes the sentence "… did not happen".
pub(crate) fn until<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = now() + limit;
    loop {
        if let Some(value) = condition()? {
            return Ok(value);
        }
        if now() > end {
            return Err(Error::new(format!("not within {limit:?}: {what}")));
        }
        std::thread::sleep(PAUSE);
    }
}

/// [`until`] for conditions that only hold or do not.
pub(crate) fn until_true(what: &str, limit: Duration, mut condition: impl FnMut() -> Result<bool>) -> Result {
    until(what, limit, || Ok(condition()?.then_some(())))
}

#[expect(clippy::disallowed_methods, reason = "real servers take real time to start and end")]
fn now() -> Instant {
    Instant::now()
}
