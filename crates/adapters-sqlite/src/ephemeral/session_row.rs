use diesel::prelude::*;
use keystead_adapters_sql::RowError;
use keystead_adapters_sql::rows::{bytes32, device};
use keystead_adapters_sql::types::{At, Uid};
use keystead_domain::account::{Epoch, Role};
use keystead_domain::token::{Amr, ClientKind, EndReason, Fingerprint, Generation, KeyId, Session, SessionId};

use super::schema::sessions;

/// A row of `sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions)]
pub(super) struct SessionRow {
    id: String,
    user_id: Uid,
    client: String,
    fingerprint: Vec<u8>,
    head: i64,
    head_key: String,
    previous_key: Option<String>,
    rotated_at: Option<At>,
    rotations_since: At,
    rotations: i64,
    epoch: i64,
    role: String,
    amr: String,
    auth_time: At,
    created_at: At,
    last_seen_at: At,
    expires_at: At,
    checked_at: At,
    ip: Option<String>,
    user_agent: Option<String>,
    ended: Option<String>,
    impersonator: Option<Uid>,
}

/// What [`Session::present`] may change.
#[derive(Clone, Debug, AsChangeset)]
#[diesel(table_name = sessions, treat_none_as_null = true)]
pub(super) struct PresentedRow {
    head: i64,
    head_key: String,
    previous_key: Option<String>,
    rotated_at: Option<At>,
    rotations_since: At,
    rotations: i64,
    last_seen_at: At,
    ended: Option<String>,
}

/// `amr` values, separated by spaces: none of them holds one.
pub(super) fn join_amr(amr: &[Amr]) -> String {
    amr.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(" ")
}

fn split_amr(text: &str) -> Option<Vec<Amr>> {
    text.split_ascii_whitespace().map(Amr::parse).collect()
}

/// SQLite's integers are signed. A generation beyond them would take a session longer than the sun's life to reach.
fn signed(generation: Generation) -> i64 {
    i64::try_from(generation.number()).unwrap_or(i64::MAX)
}

impl From<&Session> for PresentedRow {
    fn from(session: &Session) -> Self {
        Self {
            head: signed(session.head),
            head_key: session.head_key.to_string(),
            previous_key: session.previous_key.as_ref().map(ToString::to_string),
            rotated_at: session.rotated_at.map(At),
            rotations_since: At(session.rotations_since),
            rotations: i64::from(session.rotations),
            last_seen_at: At(session.last_seen_at),
            ended: session.ended.map(|reason| reason.as_str().to_owned()),
        }
    }
}

impl From<&Session> for SessionRow {
    fn from(session: &Session) -> Self {
        Self {
            id: session.id.to_string(),
            user_id: Uid(session.user_id),
            client: session.client.as_str().to_owned(),
            fingerprint: session.fingerprint.0.to_vec(),
            head: signed(session.head),
            head_key: session.head_key.to_string(),
            previous_key: session.previous_key.as_ref().map(ToString::to_string),
            rotated_at: session.rotated_at.map(At),
            rotations_since: At(session.rotations_since),
            rotations: i64::from(session.rotations),
            epoch: session.epoch.number(),
            role: session.role.as_str().to_owned(),
            amr: join_amr(&session.amr),
            auth_time: At(session.auth_time),
            created_at: At(session.created_at),
            last_seen_at: At(session.last_seen_at),
            expires_at: At(session.expires_at),
            checked_at: At(session.checked_at),
            ip: session.device.ip.map(|ip| ip.to_string()),
            user_agent: session.device.user_agent.clone(),
            ended: session.ended.map(|reason| reason.as_str().to_owned()),
            impersonator: session.impersonator.map(Uid),
        }
    }
}

impl TryFrom<SessionRow> for Session {
    type Error = RowError;

    fn try_from(row: SessionRow) -> Result<Self, RowError> {
        let previous_key =
            row.previous_key.as_deref().map(|text| KeyId::parse(text).ok_or(RowError("sessions.previous_key")));
        let ended = row.ended.as_deref().map(|text| EndReason::parse(text).ok_or(RowError("sessions.ended")));
        let head = u64::try_from(row.head).map_err(|_| RowError("sessions.head"))?;
        Ok(Self {
            id: SessionId::parse(&row.id).ok_or(RowError("sessions.id"))?,
            user_id: row.user_id.0,
            client: ClientKind::parse(&row.client).ok_or(RowError("sessions.client"))?,
            fingerprint: Fingerprint(bytes32(&row.fingerprint, "sessions.fingerprint")?),
            head: Generation::new(head),
            head_key: KeyId::parse(&row.head_key).ok_or(RowError("sessions.head_key"))?,
            previous_key: previous_key.transpose()?,
            rotated_at: row.rotated_at.map(|at| at.0),
            rotations_since: row.rotations_since.0,
            rotations: u32::try_from(row.rotations).map_err(|_| RowError("sessions.rotations"))?,
            epoch: Epoch::new(row.epoch),
            role: Role::parse(&row.role).map_err(|_| RowError("sessions.role"))?,
            amr: split_amr(&row.amr).ok_or(RowError("sessions.amr"))?,
            auth_time: row.auth_time.0,
            created_at: row.created_at.0,
            last_seen_at: row.last_seen_at.0,
            expires_at: row.expires_at.0,
            checked_at: row.checked_at.0,
            device: device(row.ip.as_deref(), row.user_agent.as_deref(), "sessions.ip")?,
            impersonator: row.impersonator.map(|id| id.0),
            ended: ended.transpose()?,
        })
    }
}
