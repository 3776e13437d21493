//! What runs beside requests: mail delivery, reminders, keys, housekeeping, and the operator's commands.

mod deliver_mail;
mod housekeeping;
mod keys;
mod operator;
mod purge;
mod reminders;
mod user_export;
mod user_import;

pub use deliver_mail::{Channels, DeliverMail, Delivered, MailPolicy};
pub use housekeeping::Housekeeping;
pub use keys::{KeyKeeper, KeyOverview};
pub use operator::{AddUserCommand, AddedUser, Operator, OperatorError};
pub use purge::PurgeAccounts;
pub use reminders::{CATCH_UP, RemindOnSchedule, Reminded, SendReminders};
pub use user_export::{ExportedUser, UserExport};
pub use user_import::{
    ForeignContact, ForeignUser, Held, ImportError, ImportOutcome, ImportPolicy, ImportRefusal, UserImport,
};
