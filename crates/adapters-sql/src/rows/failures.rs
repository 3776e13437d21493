use diesel::prelude::*;
use keystead_application::ports::BudgetKey;
use keystead_domain::Timestamp;
use keystead_domain::factor::FactorFailures;

use crate::RowError;
use crate::schema::factor_failures;
use crate::types::At;

/// A row of `factor_failures`.
#[derive(Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = factor_failures, primary_key(key))]
#[diesel(treat_none_as_default_value = false, treat_none_as_null = true)]
#[expect(missing_docs, reason = "the columns are the fields of the domain's FactorFailures")]
pub struct FailuresRow {
    pub key: String,
    pub device: i64,
    pub totp: i64,
    pub email: i64,
    pub phone: i64,
    pub recovery: i64,
    pub blocks: i64,
    pub blocked_until: Option<At>,
    pub alerted_at: Option<At>,
    pub last_at: Option<At>,
    pub forgotten_at: At,
}

impl FailuresRow {
    /// The row of the failures under a key.
    pub fn new(key: &BudgetKey, failures: &FactorFailures, forgotten_at: Timestamp) -> Self {
        let [device, totp, email, phone, recovery] = failures.counts.map(i64::from);
        Self {
            key: key.0.clone(),
            device,
            totp,
            email,
            phone,
            recovery,
            blocks: failures.blocks.into(),
            blocked_until: failures.blocked_until.map(At),
            alerted_at: failures.alerted_at.map(At),
            last_at: failures.last_at.map(At),
            forgotten_at: At(forgotten_at),
        }
    }
}

impl TryFrom<FailuresRow> for FactorFailures {
    type Error = RowError;

    fn try_from(row: FailuresRow) -> Result<Self, RowError> {
        let number = |count, column| u32::try_from(count).map_err(|_| RowError(column));
        Ok(Self {
            counts: [
                number(row.device, "factor_failures.device")?,
                number(row.totp, "factor_failures.totp")?,
                number(row.email, "factor_failures.email")?,
                number(row.phone, "factor_failures.phone")?,
                number(row.recovery, "factor_failures.recovery")?,
            ],
            blocks: number(row.blocks, "factor_failures.blocks")?,
            blocked_until: row.blocked_until.map(|at| at.0),
            alerted_at: row.alerted_at.map(|at| at.0),
            last_at: row.last_at.map(|at| at.0),
        })
    }
}
