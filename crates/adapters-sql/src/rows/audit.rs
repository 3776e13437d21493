use diesel::prelude::*;
use keystead_domain::audit::{AuditEvent, AuditEventName};
use keystead_domain::token::SessionId;

use super::device;
use crate::RowError;
use crate::schema::audit_events;
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
}

/// A row of `audit_events`, without its number.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = audit_events)]
#[expect(missing_docs, reason = "the columns are the fields of the domain's AuditEvent")]
pub struct AuditRow {
    pub name: String,
    pub at: At,
    pub actor_id: Option<Uid>,
    pub subject_id: Option<Uid>,
    pub session_id: Option<String>,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
}

impl From<&AuditEvent> for NewAuditRow {
    fn from(event: &AuditEvent) -> Self {
        Self {
            name: event.name.as_str(),
            at: At(event.at),
            actor_id: event.actor.map(Uid),
            subject_id: event.subject.map(Uid),
            session_id: event.session.as_ref().map(ToString::to_string),
            ip: event.device.ip.map(|ip| ip.to_string()),
            user_agent: event.device.user_agent.clone(),
        }
    }
}

impl TryFrom<AuditRow> for AuditEvent {
    type Error = RowError;

    fn try_from(row: AuditRow) -> Result<Self, RowError> {
        let session =
            row.session_id.as_deref().map(|text| SessionId::parse(text).ok_or(RowError("audit_events.session_id")));
        Ok(Self {
            name: AuditEventName::parse(&row.name).ok_or(RowError("audit_events.name"))?,
            at: row.at.0,
            actor: row.actor_id.map(|id| id.0),
            subject: row.subject_id.map(|id| id.0),
            session: session.transpose()?,
            device: device(row.ip.as_deref(), row.user_agent.as_deref(), "audit_events.ip")?,
        })
    }
}
