//! What a database error means to the ports. Texts name tables and columns, never a value of a row.

use diesel::result::{DatabaseErrorKind, Error};
use keystead_application::ports::StoreError;

use crate::constraint_of;

/// A row holds what the domain refuses: a bug, or a hand at the database. Names the column, never its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowError(pub &'static str);

impl std::fmt::Display for RowError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "column {} holds an impossible value", self.0)
    }
}

impl std::error::Error for RowError {}

impl From<RowError> for StoreError {
    fn from(error: RowError) -> Self {
        Self::Corrupt(error.to_string())
    }
}

/// Messages of SQLite (and of PostgreSQL, class XX) that mean the file itself is damaged.
const DAMAGE: [&str; 3] = ["malformed", "file is not a database", "corrupt"];

/// The port's error for a failed statement.
///
/// A write that broke a rule of the schema other than a known uniqueness is `Corrupt`: a bug of ours. Everything the
/// database could not do (disk full, locked, read-only, connection gone) is `Unavailable`.
pub fn store_error(error: Error) -> StoreError {
    match error {
        Error::DatabaseError(kind, information) => {
            let message = information.message();
            match kind {
                DatabaseErrorKind::UniqueViolation => {
                    let name = information.constraint_name().unwrap_or(message);
                    constraint_of(name).map_or_else(|| StoreError::Corrupt(message.to_owned()), StoreError::Conflict)
                }
                DatabaseErrorKind::ForeignKeyViolation
                | DatabaseErrorKind::NotNullViolation
                | DatabaseErrorKind::CheckViolation => StoreError::Corrupt(message.to_owned()),
                _ if DAMAGE.iter().any(|text| message.contains(text)) => StoreError::Corrupt(message.to_owned()),
                _ => StoreError::Unavailable(message.to_owned()),
            }
        }
        Error::NotFound => StoreError::Corrupt("a row that must exist does not".to_owned()),
        Error::DeserializationError(error) => StoreError::Corrupt(format!("a stored value could not be read: {error}")),
        Error::SerializationError(_) | Error::QueryBuilderError(_) | Error::InvalidCString(_) => {
            StoreError::Corrupt("a statement could not be built".to_owned())
        }
        error => StoreError::Unavailable(error.to_string()),
    }
}

/// Whether only the statement failed and its transaction is as it was before: a broken rule of the schema, or a value
/// that could not be read. After any other error the database may have ended the transaction by itself.
pub fn is_statement_error(error: &Error) -> bool {
    match error {
        Error::DatabaseError(kind, _) => matches!(
            kind,
            DatabaseErrorKind::UniqueViolation
                | DatabaseErrorKind::ForeignKeyViolation
                | DatabaseErrorKind::NotNullViolation
                | DatabaseErrorKind::CheckViolation
        ),
        Error::NotFound | Error::DeserializationError(_) | Error::SerializationError(_) | Error::InvalidCString(_) => {
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keystead_application::ports::Constraint;

    fn database(kind: DatabaseErrorKind, message: &str) -> Error {
        Error::DatabaseError(kind, Box::new(message.to_owned()))
    }

    #[test]
    fn lost_races_are_conflicts_and_other_broken_rules_are_bugs() {
        let email = database(DatabaseErrorKind::UniqueViolation, "UNIQUE constraint failed: users.email");
        assert!(is_statement_error(&email));
        assert_eq!(store_error(email), StoreError::Conflict(Constraint::UserEmail));
        let other = database(DatabaseErrorKind::UniqueViolation, "UNIQUE constraint failed: outbox.id");
        assert!(matches!(store_error(other), StoreError::Corrupt(_)));
        let check = database(DatabaseErrorKind::CheckViolation, "CHECK constraint failed: users_id_check");
        assert!(matches!(store_error(check), StoreError::Corrupt(_)));
    }

    #[test]
    fn a_full_disk_is_unavailable_and_ends_the_transaction() {
        let full = database(DatabaseErrorKind::Unknown, "database or disk is full");
        assert!(!is_statement_error(&full));
        assert!(matches!(store_error(full), StoreError::Unavailable(_)));
        let damaged = database(DatabaseErrorKind::Unknown, "database disk image is malformed");
        assert!(matches!(store_error(damaged), StoreError::Corrupt(_)));
    }
}
