//! What a transaction holds.

use keystead_application::ports::BudgetKey;
use keystead_domain::account::{LinkTokenHash, LoginName, UndoTokenHash, User, UserId};
use keystead_domain::attendance::AttendanceId;
use keystead_domain::token::TokenId;
use uuid::Uuid;

/// What a decision rests on. A writing transaction that holds it is alone with it to its end: others that want it wait.
///
/// SQLite needs none of this, its writer is alone with the file. PostgreSQL lets writers run side by side, and use-cases
/// look first and write afterwards: without a hold a profile saved beside a ban would undo the ban. The hold on a user
/// comes before every other row of that user, so that two transactions never wait for each other.
#[derive(Clone, Copy, Debug)]
pub enum Hold<'a> {
    /// The set of keys.
    Keys,
    /// The end of the audit chain.
    AuditChain,
    /// The set of administrators. Asked for after a user is held.
    Administrators,
    /// The address this claim is to.
    Claim(UserId),
    /// This user.
    User(UserId),
    /// This user, if the transaction holds no user yet. The first one only: a transaction that looks at two users decides
    /// about the first at most, and of two administrators each would hold the other and want themselves.
    Look(UserId),
    /// The user with this login name, if there is one and the transaction holds no user yet.
    Name(&'a LoginName),
    /// The login names a held user has and those they are to have, where they differ: all of them before any is touched,
    /// and in one order for everybody. Two people who swap their names would each wait for the other to let go.
    Rename(&'a User),
    /// The failures at second factors under this key, whether there are any or not.
    Failures(&'a BudgetKey),
    /// The owner of the contact that the link with this hash brings back.
    Undo(UndoTokenHash),
    /// The owner of the link with this hash.
    Link(LinkTokenHash),
    /// The owner of the link bound to this pre-authorized token.
    BegunLink(&'a TokenId),
    /// The owner of this row of attendance, if the transaction holds no user yet.
    Attendance(AttendanceId),
    /// The owner of the link to an account elsewhere with this identifier, if the transaction holds no user yet.
    Identity(Uuid),
}
