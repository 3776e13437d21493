//! Attendance and reminders, from ports. Names no adapter.

use std::sync::Arc;

use keystead_application::attendance::{AttendanceDesk, Attendances, ManageAttendances};
use keystead_application::operation::{RemindOnSchedule, SendReminders};
use keystead_application::ports::{Clock, Entropy, Store};
use keystead_application::service::{GuessGuard, Postbox};
use keystead_application::settings::Settings;

use crate::config::AttendanceConfig;
use crate::services::Attendance;

/// What attendance is made of.
pub(super) struct Parts<'a> {
    pub store: &'a Arc<dyn Store>,
    pub clock: &'a Arc<dyn Clock>,
    pub entropy: &'a Arc<dyn Entropy>,
    pub guard: &'a GuessGuard,
    pub postbox: &'a Arc<Postbox>,
    pub settings: &'a Arc<Settings>,
}

/// The use-cases, and what sends reminders; nothing where it is switched off.
pub(super) fn attendance(
    config: &AttendanceConfig,
    parts: &Parts<'_>,
) -> (Option<Arc<Attendance>>, Option<RemindOnSchedule>) {
    if !config.enabled {
        return (None, None);
    }
    let Parts { store, clock, entropy, guard, postbox, settings } = parts;
    let desk = AttendanceDesk {
        store: Arc::clone(store),
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy),
        guard: (*guard).clone(),
        calendar: config.calendar.clone(),
    };
    let send = SendReminders::new(
        Arc::clone(store),
        Arc::clone(clock),
        Arc::clone(postbox),
        Arc::clone(settings),
        config.calendar.clone(),
    );
    let send = Arc::new(send);
    let scheduled = |schedule| RemindOnSchedule::new(Arc::clone(&send), schedule, &***entropy);
    let on_schedule = config.reminder.clone().map(scheduled);
    let services =
        Attendance { own: Attendances::new(desk.clone()), manage: ManageAttendances::new(desk), reminders: send };
    (Some(Arc::new(services)), on_schedule)
}
