use diesel::prelude::*;
use keystead_application::ports::{
    AuditRow as Stored, AuditRowId, ChainLink, Checkpoint, CheckpointKind, MacTag, StoreError,
};
use keystead_domain::audit::{AuditEvent, AuditEventName};
use keystead_domain::token::{DeviceInfo, KeyId, SessionId};

use super::{bytes32, device};
use crate::RowError;
use crate::schema::{audit_checkpoints, audit_events};
use crate::types::{At, Uid};

/// An event to append to `audit_events`; the database numbers it.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = audit_events, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the fields of the domain's AuditEvent")]
pub struct NewAuditRow {
    pub name: &'static str,
    pub at: At,
    pub actor_id: Option<Uid>,
    pub subject_id: Option<Uid>,
    pub session_id: Option<String>,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub impersonator_id: Option<Uid>,
    pub detail: Option<String>,
    pub seal_key: Option<String>,
    pub seal: Option<Vec<u8>>,
}

/// A row of `audit_events`.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = audit_events)]
#[expect(missing_docs, reason = "the columns are the fields of the port's AuditRow")]
pub struct AuditRow {
    pub id: i64,
    pub name: String,
    pub at: At,
    pub actor_id: Option<Uid>,
    pub subject_id: Option<Uid>,
    pub session_id: Option<String>,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub impersonator_id: Option<Uid>,
    pub detail: Option<String>,
    pub seal_key: Option<String>,
    pub seal: Option<Vec<u8>>,
    pub position: Option<i64>,
    pub hash: Option<Vec<u8>>,
}

impl NewAuditRow {
    /// The row of an event and its seal.
    pub fn new(event: &AuditEvent, seal: Option<&MacTag>) -> Self {
        Self {
            name: event.name.as_str(),
            at: At(event.at),
            actor_id: event.actor.map(Uid),
            subject_id: event.subject.map(Uid),
            session_id: event.session.as_ref().map(ToString::to_string),
            ip: event.device.ip.map(|ip| ip.to_string()),
            user_agent: event.device.user_agent.clone(),
            impersonator_id: event.impersonator.map(Uid),
            detail: event.detail.clone(),
            seal_key: seal.map(|seal| seal.key.to_string()),
            seal: seal.map(|seal| seal.bytes.to_vec()),
        }
    }
}

/// A link from its two columns; `None` when both are empty.
pub fn link(position: Option<i64>, hash: Option<Vec<u8>>) -> Result<Option<ChainLink>, RowError> {
    match (position, hash) {
        (None, None) => Ok(None),
        (Some(position), Some(hash)) => Ok(Some(ChainLink { position, hash: bytes32(&hash, "audit_events.hash")? })),
        (None, Some(_)) => Err(RowError("audit_events.position")),
        (Some(_), None) => Err(RowError("audit_events.hash")),
    }
}

fn seal(key: Option<String>, bytes: Option<Vec<u8>>) -> Result<Option<MacTag>, RowError> {
    let (key, bytes) = match (key, bytes) {
        (None, None) => return Ok(None),
        (Some(key), Some(bytes)) => (key, bytes),
        _ => return Err(RowError("audit_events.seal")),
    };
    let key = KeyId::parse(&key).ok_or(RowError("audit_events.seal_key"))?;
    Ok(Some(MacTag { key, bytes: bytes32(&bytes, "audit_events.seal")? }))
}

impl AuditRow {
    /// The row as the port knows it. What cannot be read names the row: somebody laid a hand on it.
    pub fn stored(self) -> Result<Stored, StoreError> {
        let id = self.id;
        self.try_into().map_err(|error| StoreError::Corrupt(format!("audit event {id}: {error}")))
    }
}

impl TryFrom<AuditRow> for Stored {
    type Error = RowError;

    fn try_from(row: AuditRow) -> Result<Self, RowError> {
        let event = event(&row).unwrap_or_else(|_| unreadable(row.at));
        Ok(Self {
            id: AuditRowId(row.id),
            event,
            // One that is none is no seal: whoever checks it says so.
            seal: seal(row.seal_key, row.seal).unwrap_or_default(),
            link: link(row.position, row.hash)?,
        })
    }
}

fn event(row: &AuditRow) -> Result<AuditEvent, RowError> {
    let session = row.session_id.as_deref();
    let session = session.map(|text| SessionId::parse(text).ok_or(RowError("audit_events.session_id")));
    Ok(AuditEvent {
        name: AuditEventName::parse(&row.name).ok_or(RowError("audit_events.name"))?,
        at: row.at.0,
        actor: row.actor_id.map(|id| id.0),
        impersonator: row.impersonator_id.map(|id| id.0),
        subject: row.subject_id.map(|id| id.0),
        session: session.transpose()?,
        device: device(row.ip.as_deref(), row.user_agent.as_deref(), "audit_events.ip")?,
        detail: row.detail.clone(),
    })
}

/// One row that means nothing must not keep the others from being read, listed and linked.
fn unreadable(at: At) -> AuditEvent {
    AuditEvent {
        name: AuditEventName::Unreadable,
        at: at.0,
        actor: None,
        impersonator: None,
        subject: None,
        session: None,
        device: DeviceInfo::default(),
        detail: None,
    }
}

/// A row of `audit_checkpoints`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = audit_checkpoints, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the fields of the port's Checkpoint")]
pub struct CheckpointRow {
    pub kind: String,
    pub position: i64,
    pub hash: Vec<u8>,
    pub at: At,
    pub seal_key: String,
    pub seal: Vec<u8>,
}

impl From<&Checkpoint> for CheckpointRow {
    fn from(checkpoint: &Checkpoint) -> Self {
        Self {
            kind: checkpoint.kind.as_str().to_owned(),
            position: checkpoint.link.position,
            hash: checkpoint.link.hash.to_vec(),
            at: At(checkpoint.at),
            seal_key: checkpoint.seal.key.to_string(),
            seal: checkpoint.seal.bytes.to_vec(),
        }
    }
}

impl TryFrom<CheckpointRow> for Checkpoint {
    type Error = RowError;

    fn try_from(row: CheckpointRow) -> Result<Self, RowError> {
        let key = KeyId::parse(&row.seal_key).ok_or(RowError("audit_checkpoints.seal_key"))?;
        Ok(Self {
            kind: CheckpointKind::parse(&row.kind).ok_or(RowError("audit_checkpoints.kind"))?,
            link: ChainLink { position: row.position, hash: bytes32(&row.hash, "audit_checkpoints.hash")? },
            at: row.at.0,
            seal: MacTag { key, bytes: bytes32(&row.seal, "audit_checkpoints.seal")? },
        })
    }
}
