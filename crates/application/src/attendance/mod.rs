//! Who comes and goes when: checking in and out, lists, a file for others to work with.
//!
//! A day is one of the deployment's [`Calendar`]; rows keep the day they were made on, so that moving the deployment to another
//! zone changes none of them. Reminders are sent by [`crate::operation::SendReminders`].

mod calendar;
mod desk;
mod export;
mod manage;
mod table;

pub use calendar::{Calendar, Schedule, ScheduleError, UnknownTimeZone};
pub use desk::{AttendanceDesk, AttendanceError, AttendanceStatus, Attendances};
pub use export::AttendanceExport;
pub use manage::{AttendanceView, ManageAttendances};
pub use table::{HEADER, cell, line};

#[cfg(test)]
mod tests;
