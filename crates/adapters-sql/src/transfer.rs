//! Whole rows of every table, on their way from one database to another: numbers, hashes and sealed contents as they are.

use std::hash::{DefaultHasher, Hash, Hasher};

use diesel::Queryable;

use crate::types::{At, Uid};

/// Calls a macro with every table but `leases`, which are about processes of one deployment: the name of its row, its name, its key, and its columns in the order of the schema.
/// Tables come after those they refer to. A column that is missing here, or of another type, does not compile.
#[macro_export]
macro_rules! with_every_table {
    ($callback:ident) => {
        $callback! {
            Users users (id) {
                id: Uid, email: Option<String>, username: Option<String>, full_name: Option<String>, locale: Option<String>,
                role: String, status: String, epoch: i64, sessions_epoch: i64, created_at: At, updated_at: At,
                phone: Option<String>, email_contact_id: Option<Uid>, phone_contact_id: Option<Uid>, email_otp: bool,
                phone_otp: bool,
            }
            Passwords passwords (user_id) { user_id: Uid, hash: String, updated_at: At, }
            PendingRegistrations pending_registrations (id) {
                id: Uid, email: String, username: Option<String>, full_name: Option<String>,
                password: Option<String>, created_at: At, expires_at: At, kind: String, srp: Option<Vec<u8>>,
                social_provider: Option<String>, social_subject: Option<String>, social_label: Option<String>,
            }
            LinkTokens link_tokens (hash) {
                hash: Vec<u8>, purpose: String, user_id: Option<Uid>, epoch: i64, begun_as: Option<String>,
                created_at: At, expires_at: At, factor_proved: bool,
            }
            Outbox outbox (id) {
                id: String, sealed: Option<Vec<u8>>, attempts: i64, created_at: At, expires_at: At, due_at: At,
                dead_at: Option<At>, last_error: Option<String>, leased_until: Option<At>,
            }
            AuditEvents audit_events (id) {
                id: i64, name: String, at: At, actor_id: Option<Uid>, subject_id: Option<Uid>,
                session_id: Option<String>, ip: Option<String>, user_agent: Option<String>,
                impersonator_id: Option<Uid>, detail: Option<String>, seal_key: Option<String>,
                seal: Option<Vec<u8>>, position: Option<i64>, hash: Option<Vec<u8>>,
            }
            AuditCheckpoints audit_checkpoints (kind, position) {
                kind: String, position: i64, hash: Vec<u8>, at: At, seal_key: String, seal: Vec<u8>,
            }
            Revocations revocations (id) {
                id: i64, kind: String, target: String, user_id: Option<Uid>, epoch: Option<i64>,
                sessions_epoch: Option<i64>, at: At,
            }
            GeneralRevocations general_revocations (at) { at: At, }
            GuessBudgets guess_budgets (policy, key) { policy: String, key: String, count: i64, resets_at: At, }
            Devices devices (user_id, hash) { user_id: Uid, hash: Vec<u8>, created_at: At, expires_at: At, }
            LoginHistory login_history (token_id) {
                token_id: String, session_id: String, user_id: Uid, at: At, ip: Option<String>,
                user_agent: Option<String>, impersonator_id: Option<Uid>,
            }
            Keys keys (id) {
                id: String, key_use: String, algorithm: String, sealed: Vec<u8>, created_at: At, active_from: At,
                retires_at: Option<At>,
            }
            Totp totp (user_id) {
                user_id: Uid, sealed: Option<Vec<u8>>, last_step: Option<i64>, confirmed_at: Option<At>,
                pending: Option<Vec<u8>>, pending_expires_at: Option<At>,
            }
            RecoveryCodes recovery_codes (user_id, selector) {
                user_id: Uid, selector: String, hash: String, created_at: At,
            }
            Passkeys passkeys (id) {
                id: Uid, user_id: Uid, credential_id: Vec<u8>, name: String, credential: Vec<u8>, counter: i64,
                aaguid: Uid, backup_eligible: bool, backed_up: bool, user_verified: bool, created_at: At,
                last_used_at: Option<At>,
            }
            PendingContacts pending_contacts (id) {
                id: Uid, user_id: Uid, kind: String, address: String, epoch: i64, created_at: At, expires_at: At,
            }
            ContactUndos contact_undos (hash) {
                hash: Vec<u8>, user_id: Uid, contact_id: Uid, kind: String, address: String, otp_enabled: bool,
                other_contact_id: Option<Uid>, created_at: At, expires_at: At,
            }
            FactorFailures factor_failures (key) {
                key: String, device: i64, totp: i64, email: i64, phone: i64, recovery: i64, blocks: i64,
                blocked_until: Option<At>, alerted_at: Option<At>, last_at: Option<At>, forgotten_at: At,
            }
            FactorKeys factor_keys (id) {
                id: String, key_use: String, algorithm: String, sealed: Vec<u8>, created_at: At, active_from: At,
                retires_at: Option<At>,
            }
            SrpCredentials srp_credentials (user_id) { user_id: Uid, sealed: Vec<u8>, created_at: At, }
            SocialIdentities social_identities (id) {
                id: Uid, user_id: Uid, provider: String, subject: String, label: Option<String>, created_at: At,
                last_used_at: Option<At>,
            }
            Attendances attendances (id) {
                id: Uid, user_id: Uid, date: String, entered_at: At, entered_ip: Option<String>,
                entered_user_agent: Option<String>, entered_remarks: Option<String>, left_at: Option<At>,
                left_ip: Option<String>, left_user_agent: Option<String>, left_remarks: Option<String>,
                reminded_at: Option<At>,
            }
        }
    };
}

macro_rules! declare {
    ($($Row:ident $table:ident ($($key:ident),+) { $($column:ident: $type:ty),+ $(,)? })+) => {
        /// One whole row of each table.
        pub mod row {
            use super::{At, Queryable, Uid};
            $(
                #[doc = concat!("A row of `", stringify!($table), "`.")]
                #[derive(Clone, PartialEq, Eq, Hash, Queryable)]
                #[expect(missing_docs, reason = "columns are documented in migrations/")]
                pub struct $Row { $(pub $column: $type,)+ }
            )+
        }

        /// Rows of one table, in the order of its key.
        pub enum Rows {
            $(
                #[doc = concat!("Of `", stringify!($table), "`.")]
                $Row(Vec<row::$Row>),
            )+
        }

        impl Rows {
            /// No rows, of each table in turn.
            pub fn none() -> Vec<Self> {
                vec![$(Self::$Row(Vec::new()),)+]
            }

            /// The table's name.
            pub const fn table(&self) -> &'static str {
                match self { $(Self::$Row(_) => stringify!($table),)+ }
            }

            /// How many there are.
            pub const fn len(&self) -> usize {
                match self { $(Self::$Row(rows) => rows.len(),)+ }
            }

            fn checksum(&self) -> u64 {
                match self { $(Self::$Row(rows) => sum(rows),)+ }
            }
        }
    };
}
with_every_table!(declare);

impl Rows {
    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Shows which table and how many, never what is in a row.
impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} rows of {}", self.len(), self.table())
    }
}

/// A figure all of these rows have a part in, in whatever order.
fn sum<T: Hash>(rows: &[T]) -> u64 {
    rows.iter().fold(0, |sum: u64, row| {
        let mut hasher = DefaultHasher::new();
        row.hash(&mut hasher);
        sum.wrapping_add(hasher.finish())
    })
}

/// How many rows of a table were seen, and a checksum over all of their columns. Two tables with equal tallies hold the
/// same rows; against mistakes and broken disks, not against somebody who chooses rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The table's name.
    pub table: &'static str,
    /// Rows.
    pub rows: u64,
    /// Of one run of one version only: never stored.
    pub checksum: u64,
}

impl Tally {
    /// Nothing seen of each table, in their order.
    pub fn nothing() -> Vec<Self> {
        Rows::none().iter().map(|rows| Self { table: rows.table(), rows: 0, checksum: 0 }).collect()
    }

    /// Adds rows to the tally of their table.
    pub fn add(tallies: &mut [Self], rows: &Rows) {
        for tally in tallies.iter_mut().filter(|tally| tally.table == rows.table()) {
            tally.rows += u64::try_from(rows.len()).unwrap_or(u64::MAX);
            tally.checksum = tally.checksum.wrapping_add(rows.checksum());
        }
    }
}

#[cfg(test)]
mod tests {
    use keystead_domain::Timestamp;

    use super::*;

    fn budget(key: &str, count: i64) -> row::GuessBudgets {
        let resets_at = At(Timestamp::from_seconds(1));
        row::GuessBudgets { policy: "login".into(), key: key.into(), count, resets_at }
    }

    fn tally(pages: &[&[row::GuessBudgets]]) -> Tally {
        let mut tallies = Tally::nothing();
        for page in pages {
            Tally::add(&mut tallies, &Rows::GuessBudgets(page.to_vec()));
        }
        assert!(tallies.iter().all(|tally| tally.table == "guess_budgets" || tally.rows == 0));
        *tallies.iter().find(|tally| tally.table == "guess_budgets").unwrap()
    }

    #[test]
    fn tallies_are_equal_when_the_rows_are_whatever_the_pages() {
        let (a, b, c) = (budget("a", 1), budget("b", 2), budget("c", 3));
        let whole = tally(&[&[a.clone(), b.clone(), c.clone()]]);
        assert_eq!(whole.rows, 3);
        assert_eq!(tally(&[std::slice::from_ref(&c), &[a.clone(), b.clone()]]), whole);
        assert_ne!(tally(&[&[a.clone(), b.clone(), budget("c", 4)]]), whole);
        assert_ne!(tally(&[&[a.clone(), budget("b", 3), budget("c", 2)]]), whole);
        assert_ne!(tally(&[&[a, b]]), whole);
    }

    #[test]
    fn printing_rows_shows_nothing_of_them() {
        let rows = Rows::GuessBudgets(vec![budget("secret", 1)]);
        assert_eq!(format!("{rows:?}"), "1 rows of guess_budgets");
    }
}
