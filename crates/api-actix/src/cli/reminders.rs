//! `keystead reminders …`.

use keystead_application::operation::Reminded;
use serde_json::json;

use super::args::RemindersCommand;
use super::data::with_services;
use super::outcome::{Outcome, Trouble, say};

/// Runs one of them.
pub(super) fn run(command: &RemindersCommand, json: bool) -> Outcome {
    let RemindersCommand::Run(args) = command;
    let Reminded { reminded, unreachable } = with_services(args, async |composed| {
        let Some(attendance) = &composed.services.attendance else {
            return Err(Trouble::failed("attendance is switched off: attendance.enabled is false"));
        };
        attendance.reminders.run().await.map_err(Trouble::failed)
    })?;
    if json {
        say(json!({ "reminded": reminded, "unreachable": unreachable }));
    } else {
        say(format!("reminded     {reminded}"));
        say(format!("unreachable  {unreachable}"));
    }
    Ok(())
}
