//! What administrators do to other people's accounts: see, help and restrict, without being able to steal.
//!
//! Nothing here sets a password, a contact or a factor, and no answer holds a link or a secret of the person it is about. Each
//! act needs the role and a step-up proof, is told to the person, and stands in the audit log.

mod desk;
mod error;
mod impersonate;
mod outbox;
mod refusal;
mod sessions;
#[cfg(test)]
mod tests;
mod users;

pub use desk::AdminDesk;
pub(crate) use desk::is_last_administrator;
pub use error::AdminError;
pub use impersonate::Impersonate;
pub use outbox::{ManageOutbox, OutboxCursor};
pub use refusal::NoteRefusal;
pub use sessions::{ManageSessions, SessionPage};
pub use users::{CreateUserCommand, ManageUsers, UpdateUserCommand};
