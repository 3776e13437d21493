//! Reminds people to check out.

use std::time::Duration;

use keystead_application::operation::RemindOnSchedule;

use super::Ability;

/// How often it is looked whether it is time. Short, because the clock may be moved while nobody looks.
pub(super) const POLL: Duration = Duration::from_secs(2);

/// One look, and what is due.
pub(super) async fn round(reminders: &mut RemindOnSchedule, ability: &mut Ability) {
    let result = reminders.run().await;
    ability.note(&result);
    if let Ok(Some(done)) = result
        && done.reminded + done.unreachable > 0
    {
        metrics::counter!("keystead_reminders_total").increment(done.reminded);
        tracing::info!(done.reminded, done.unreachable, "people were reminded to check out");
    }
}
