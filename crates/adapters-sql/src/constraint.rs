//! Names of uniqueness rules in the schemas.

use keystead_application::ports::Constraint;

/// The rule a refused write lost against. `name` is a constraint's name (PostgreSQL), or the message of SQLite, which
/// names columns instead: `UNIQUE constraint failed: users.email`. `None` for rules no port speaks of.
pub fn constraint_of(name: &str) -> Option<Constraint> {
    let column = name.rsplit(": ").next().unwrap_or(name);
    match column {
        "users_pkey" | "users.id" => Some(Constraint::UserId),
        "users_email_key" | "users.email" => Some(Constraint::UserEmail),
        "users_phone_key" | "users.phone" => Some(Constraint::UserPhone),
        "users_username_key" | "users.username" => Some(Constraint::UserUsername),
        "passkeys_credential_id_key" | "passkeys.credential_id" => Some(Constraint::PasskeyCredential),
        "audit_events_position_key" | "audit_events.position" => Some(Constraint::AuditPosition),
        "social_identities_subject_key"
        | "social_identities_user_id_key"
        | "social_identities.provider, social_identities.subject"
        | "social_identities.user_id, social_identities.provider" => Some(Constraint::SocialIdentity),
        "attendances_date_key" | "attendances.user_id, attendances.date" => Some(Constraint::AttendanceDay),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_name_the_same_rules() {
        for (postgres, sqlite, rule) in [
            ("users_pkey", "UNIQUE constraint failed: users.id", Constraint::UserId),
            ("users_email_key", "UNIQUE constraint failed: users.email", Constraint::UserEmail),
            ("users_phone_key", "UNIQUE constraint failed: users.phone", Constraint::UserPhone),
            ("users_username_key", "UNIQUE constraint failed: users.username", Constraint::UserUsername),
            (
                "passkeys_credential_id_key",
                "UNIQUE constraint failed: passkeys.credential_id",
                Constraint::PasskeyCredential,
            ),
            ("audit_events_position_key", "UNIQUE constraint failed: audit_events.position", Constraint::AuditPosition),
            (
                "social_identities_subject_key",
                "UNIQUE constraint failed: social_identities.provider, social_identities.subject",
                Constraint::SocialIdentity,
            ),
            (
                "social_identities_user_id_key",
                "UNIQUE constraint failed: social_identities.user_id, social_identities.provider",
                Constraint::SocialIdentity,
            ),
            (
                "attendances_date_key",
                "UNIQUE constraint failed: attendances.user_id, attendances.date",
                Constraint::AttendanceDay,
            ),
        ] {
            assert_eq!(constraint_of(postgres), Some(rule));
            assert_eq!(constraint_of(sqlite), Some(rule));
        }
        assert_eq!(constraint_of("UNIQUE constraint failed: pending_registrations.id"), None);
    }
}
