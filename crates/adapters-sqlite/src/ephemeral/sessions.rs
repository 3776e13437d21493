use std::sync::Arc;

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use keystead_adapters_sql::types::{At, Uid};
use keystead_application::ports::{EphemeralError, Rotation, SessionStore, SessionUpdate};
use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::token::{EndReason, Presented, Session, SessionId};

use super::schema::sessions;
use super::session_row::{PresentedRow, SessionRow, join_amr};
use super::{unavailable, unreadable};
use crate::connection::{Durability, Pool};

/// Signed-in clients in the SQLite file. Cheap to clone.
#[derive(Clone)]
pub struct SqliteSessions {
    writer: Arc<Pool>,
    readers: Arc<Pool>,
}

impl SqliteSessions {
    pub(crate) fn new(writer: Arc<Pool>, readers: Arc<Pool>) -> Self {
        Self { writer, readers }
    }
}

fn load(connection: &mut SqliteConnection, id: &str) -> QueryResult<Option<Session>> {
    let row = sessions::table.find(id).select(SessionRow::as_select()).first(connection).optional()?;
    row.map(|row| row.try_into().map_err(unreadable)).transpose()
}

/// Sessions whose `expires_at` is after `now`, ended ones too, in the order of their identifiers, from behind `after` on.
pub(crate) fn living(
    connection: &mut SqliteConnection,
    after: &str,
    now: Timestamp,
    limit: i64,
) -> QueryResult<Vec<Session>> {
    let rows = sessions::table
        .filter(sessions::id.gt(after))
        .filter(sessions::expires_at.gt(At(now)))
        .order(sessions::id)
        .limit(limit)
        .select(SessionRow::as_select())
        .load(connection)?;
    rows.into_iter().map(|row| row.try_into().map_err(unreadable)).collect()
}

#[async_trait]
impl SessionStore for SqliteSessions {
    async fn insert(&self, session: &Session) -> Result<(), EphemeralError> {
        let row = SessionRow::from(session);
        let work = move |connection: &mut SqliteConnection| {
            diesel::insert_into(sessions::table).values(row).execute(connection).map(drop)
        };
        self.writer.write(Durability::Configured, work).await.map_err(unavailable)
    }

    async fn find(&self, id: &SessionId, now: Timestamp) -> Result<Option<Session>, EphemeralError> {
        let id = id.to_string();
        let session = self.readers.read(move |connection| load(connection, &id)).await.map_err(unavailable)?;
        Ok(session.filter(|session| session.expires_at > now))
    }

    async fn rotate(&self, rotation: &Rotation) -> Result<Option<(Presented, Session)>, EphemeralError> {
        let rotation = rotation.clone();
        let work = move |connection: &mut SqliteConnection| {
            let Some(mut session) = load(connection, rotation.session.as_str())? else { return Ok(None) };
            let before = session.clone();
            let presented = session.present(&rotation.shown);
            if session != before {
                let row = sessions::table.find(session.id.as_str());
                diesel::update(row).set(PresentedRow::from(&session)).execute(connection)?;
            }
            Ok(Some((presented, session)))
        };
        self.writer.write(Durability::Configured, work).await.map_err(unavailable)
    }

    async fn end(&self, id: &SessionId, reason: EndReason, now: Timestamp) -> Result<Option<Session>, EphemeralError> {
        let id = id.to_string();
        let work = move |connection: &mut SqliteConnection| {
            let alive = sessions::table.find(&id).filter(sessions::ended.is_null());
            let alive = alive.filter(sessions::expires_at.gt(At(now)));
            diesel::update(alive).set(sessions::ended.eq(reason.as_str())).execute(connection)?;
            load(connection, &id)
        };
        let session = self.writer.write(Durability::Configured, work).await.map_err(unavailable)?;
        Ok(session.filter(|session| session.expires_at > now))
    }

    async fn end_all(
        &self,
        user: UserId,
        except: Option<SessionId>,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<SessionId>, EphemeralError> {
        let work = move |connection: &mut SqliteConnection| {
            // No identifier is empty.
            let kept = except.as_ref().map_or("", SessionId::as_str);
            let alive = sessions::table
                .filter(sessions::user_id.eq(Uid(user)))
                .filter(sessions::ended.is_null())
                .filter(sessions::expires_at.gt(At(now)))
                .filter(sessions::id.ne(kept));
            diesel::update(alive)
                .set(sessions::ended.eq(reason.as_str()))
                .returning(sessions::id)
                .get_results::<String>(connection)
        };
        let ended = self.writer.write(Durability::Configured, work).await.map_err(unavailable)?;
        Ok(ended.iter().filter_map(|id| SessionId::parse(id)).collect())
    }

    async fn list(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>, EphemeralError> {
        let work = move |connection: &mut SqliteConnection| {
            let rows = sessions::table
                .filter(sessions::user_id.eq(Uid(user)))
                .filter(sessions::ended.is_null())
                .filter(sessions::expires_at.gt(At(now)))
                .order((sessions::created_at.desc(), sessions::id.desc()))
                .select(SessionRow::as_select())
                .load(connection)?;
            rows.into_iter().map(|row| row.try_into().map_err(unreadable)).collect()
        };
        self.readers.read(work).await.map_err(unavailable)
    }

    async fn update(&self, id: &SessionId, update: &SessionUpdate) -> Result<bool, EphemeralError> {
        let (id, update) = (id.to_string(), update.clone());
        let work = move |connection: &mut SqliteConnection| {
            // A fact that is `None` is left alone; the identifier makes the list of changes never empty.
            let changes = (
                sessions::id.eq(&id),
                update.epoch.map(|(epoch, _)| sessions::epoch.eq(epoch.number())),
                update.epoch.map(|(_, role)| sessions::role.eq(role.as_str())),
                update.auth_time.map(|at| sessions::auth_time.eq(At(at))),
                update.amr.as_deref().map(|amr| sessions::amr.eq(join_amr(amr))),
                update.checked_at.map(|at| sessions::checked_at.eq(At(at))),
            );
            let alive = sessions::table.find(&id).filter(sessions::ended.is_null());
            let statement = diesel::update(alive).set(changes).returning(sessions::id);
            statement.get_result::<String>(connection).optional().map(|row| row.is_some())
        };
        self.writer.write(Durability::Configured, work).await.map_err(unavailable)
    }

    async fn ping(&self) -> Result<(), EphemeralError> {
        let touched = |connection: &mut SqliteConnection| {
            sessions::table.select(sessions::id).first::<String>(connection).optional().map(drop)
        };
        self.readers.read(touched).await.map_err(unavailable)
    }

    async fn touch(&self, seen: &[(SessionId, Timestamp)]) -> Result<(), EphemeralError> {
        let seen = seen.to_vec();
        let work = move |connection: &mut SqliteConnection| {
            for (id, at) in seen {
                let earlier = sessions::table.find(id.as_str()).filter(sessions::last_seen_at.lt(At(at)));
                diesel::update(earlier).set(sessions::last_seen_at.eq(At(at))).execute(connection)?;
            }
            Ok(())
        };
        self.writer.write(Durability::Relaxed, work).await.map_err(unavailable)
    }
}
