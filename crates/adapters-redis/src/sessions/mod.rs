//! `SessionStore`.

mod record;

use std::cmp::Reverse;
use std::sync::Arc;

use async_trait::async_trait;
use deadpool_redis::redis;
use futures_util::{StreamExt, TryStreamExt, stream};
use keystead_application::ports::{EphemeralError, Rotation, SessionStore, SessionUpdate};
use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::token::{EndReason, Presented, Session, SessionId};

use self::record::{Hash, Unreadable};
use crate::connection::{CallError, Repeat, Script};
use crate::keys::time_to_live;
use crate::link::Link;

static INSERT: Script = Script::new(include_str!("../scripts/session_insert.lua"));
static INDEX: Script = Script::new(include_str!("../scripts/session_index.lua"));
static ROTATE: Script = Script::new(include_str!("../scripts/session_rotate.lua"));
static END: Script = Script::new(include_str!("../scripts/session_end.lua"));
static UPDATE: Script = Script::new(include_str!("../scripts/session_update.lua"));
static TOUCH: Script = Script::new(include_str!("../scripts/session_touch.lua"));

/// Commands about different sessions that are under way at once.
const AT_ONCE: usize = 64;
/// How often a rotation that lost a race tries again. Whoever lost to a rotation finds a new head and changes nothing,
/// so only a session that is refreshed in turn by many could ever need more than two.
const TRIES: usize = 16;

/// Signed-in clients in Redis. Cheap to clone.
///
/// What a refresh token does is decided by [`Session::present`] and kept by compare-and-set on a version that every
/// rotation and every end raises.
#[derive(Clone)]
pub struct RedisSessions {
    link: Arc<Link>,
}

/// What the scripts answer that change a session: whether they did, and how it is now.
type Changed = Option<(bool, Hash)>;

fn unreadable(Unreadable(field): Unreadable) -> EphemeralError {
    EphemeralError(format!("a session's {field} cannot be read"))
}

impl RedisSessions {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }

    async fn load(&self, id: &SessionId) -> Result<Option<Hash>, CallError> {
        let key = self.link.keys.session(id);
        let hash: Hash = self.link.route.call(&key, redis::cmd("HGETALL").arg(&key), Repeat::Safe).await?;
        Ok(Some(hash).filter(|hash| !hash.is_empty()))
    }

    async fn get(&self, id: &SessionId) -> Result<Option<Session>, EphemeralError> {
        let hash = self.load(id).await?;
        hash.map(|hash| record::session(id, &hash).map_err(unreadable)).transpose()
    }

    async fn try_rotate(&self, rotation: &Rotation) -> Result<Option<(Presented, Session)>, EphemeralError> {
        let (id, key) = (&rotation.session, self.link.keys.session(&rotation.session));
        let mut stored = self.load(id).await?;
        for _ in 0..TRIES {
            let Some(hash) = stored else { return Ok(None) };
            let before = record::session(id, &hash).map_err(unreadable)?;
            let mut session = before.clone();
            let presented = session.present(&rotation.shown);
            if session == before {
                return Ok(Some((presented, session)));
            }
            let mut arguments = record::rotated(&session);
            let version = record::version(&hash).map_err(unreadable)?.into();
            arguments.splice(..0, [version, session.last_seen_at.as_micros().into()]);
            let changed: Changed = ROTATE.run(&self.link.route, &[&key], &arguments, Repeat::Never).await?;
            stored = match changed {
                Some((true, hash)) => return Ok(Some((presented, record::session(id, &hash).map_err(unreadable)?))),
                Some((false, hash)) => Some(hash),
                None => None,
            };
        }
        Err(EphemeralError("the session changed faster than it could be refreshed".to_owned()))
    }

    /// Ends one session. An answer that is lost is asked for again only if it does not matter who ended it.
    async fn end_one(
        &self,
        id: &SessionId,
        reason: EndReason,
        now: Timestamp,
        repeat: Repeat,
    ) -> Result<Changed, CallError> {
        let arguments = [now.as_micros().into(), reason.as_str().into()];
        END.run(&self.link.route, &[&self.link.keys.session(id)], &arguments, repeat).await
    }

    /// The sessions of a user that were not over at `now` when they were made, ended or not.
    async fn index(&self, user: UserId, now: Timestamp) -> Result<Vec<SessionId>, CallError> {
        let key = self.link.keys.sessions_of(user);
        let mut command = redis::cmd("ZRANGEBYSCORE");
        command.arg(&key).arg(format!("({}", now.as_micros())).arg("+inf");
        let names: Vec<String> = self.link.route.call(&key, &command, Repeat::Safe).await?;
        Ok(names.iter().filter_map(|name| SessionId::parse(name)).collect())
    }

    /// Takes ended sessions off the index, so that it holds no more than can be listed; in the background, because it
    /// changes no answer. If that fails they stay on it until they would have expired, and are passed over.
    fn unlist(&self, user: UserId, ended: &[SessionId]) {
        if ended.is_empty() {
            return;
        }
        let key = self.link.keys.sessions_of(user);
        let mut command = redis::cmd("ZREM");
        command.arg(&key).arg(ended.iter().map(SessionId::as_str).collect::<Vec<_>>());
        let route = self.link.route.clone();
        self.link.in_background(async move {
            if let Err(error) = route.call::<i64>(&key, &command, Repeat::Safe).await {
                tracing::debug!(?error, "ended sessions stay on their user's index");
            }
        });
    }

    async fn try_end_all(
        &self,
        user: UserId,
        except: Option<&SessionId>,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<SessionId>, EphemeralError> {
        let mut ids = self.index(user, now).await?;
        ids.retain(|id| Some(id) != except);
        let ends = ids.into_iter().map(async |id| {
            let changed = self.end_one(&id, reason, now, Repeat::Never).await?;
            Ok::<_, CallError>(changed.is_some_and(|(ended, _)| ended).then_some(id))
        });
        let outcomes: Vec<_> = stream::iter(ends).buffer_unordered(AT_ONCE).try_collect().await?;
        let ended: Vec<SessionId> = outcomes.into_iter().flatten().collect();
        self.unlist(user, &ended);
        Ok(ended)
    }

    async fn try_list(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>, EphemeralError> {
        let ids = self.index(user, now).await?;
        let found: Vec<_> = stream::iter(ids.into_iter().map(async |id| self.get(&id).await))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let listed = |session: &Session| session.ended.is_none() && session.expires_at > now;
        let mut sessions: Vec<Session> = found.into_iter().flatten().filter(listed).collect();
        sessions.sort_by(|one, other| (Reverse(one.created_at), &other.id).cmp(&(Reverse(other.created_at), &one.id)));
        Ok(sessions)
    }

    async fn add(&self, session: &Session, now: Timestamp) -> Result<(), EphemeralError> {
        let life = time_to_live(now, session.expires_at);
        // First the index: a session that is on no index would survive the end of all. One that has ended needs none.
        if session.ended.is_none() {
            let index = self.link.keys.sessions_of(session.user_id);
            let arguments = [
                now.as_micros().into(),
                session.id.as_str().into(),
                session.expires_at.as_micros().into(),
                life.into(),
            ];
            INDEX.run::<i64>(&self.link.route, &[&index], &arguments, Repeat::Safe).await?;
        }
        let key = self.link.keys.session(&session.id);
        let mut arguments = record::all(session);
        arguments.insert(0, life.into());
        // Never sent twice: the session may have been ended in between.
        let added: bool = INSERT.run(&self.link.route, &[&key], &arguments, Repeat::Never).await?;
        added.then_some(()).ok_or_else(|| EphemeralError("there is a session of this identifier".to_owned()))
    }
}

/// What moving from another store needs beyond the port.
impl RedisSessions {
    /// Puts sessions here as they are in another store, ended ones too, over whatever an earlier attempt left of them,
    /// and reads them back. Nobody may be served with them yet.
    ///
    /// # Errors
    /// Redis did not answer, or does not hold what was written. Some of them may be there then.
    pub async fn carry_over(&self, sessions: &[Session], now: Timestamp) -> Result<(), EphemeralError> {
        let carried = sessions.iter().map(async |session| self.link.within(self.try_carry_over(session, now)).await);
        stream::iter(carried).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await.map(drop)
    }

    async fn try_carry_over(&self, session: &Session, now: Timestamp) -> Result<(), EphemeralError> {
        let key = self.link.keys.session(&session.id);
        self.link.route.call::<i64>(&key, redis::cmd("DEL").arg(&key), Repeat::Safe).await?;
        self.add(session, now).await?;
        if self.get(&session.id).await?.as_ref() == Some(session) {
            return Ok(());
        }
        Err(EphemeralError("a session was not kept as it was written".to_owned()))
    }
}

#[async_trait]
impl SessionStore for RedisSessions {
    async fn insert(&self, session: &Session) -> Result<(), EphemeralError> {
        self.link.within(self.add(session, session.created_at)).await
    }

    async fn find(&self, id: &SessionId, now: Timestamp) -> Result<Option<Session>, EphemeralError> {
        let session = self.link.within(self.get(id)).await?;
        Ok(session.filter(|session| session.expires_at > now))
    }

    async fn rotate(&self, rotation: &Rotation) -> Result<Option<(Presented, Session)>, EphemeralError> {
        self.link.within(self.try_rotate(rotation)).await
    }

    async fn end(&self, id: &SessionId, reason: EndReason, now: Timestamp) -> Result<Option<Session>, EphemeralError> {
        let ending = async {
            let Some((ended, hash)) = self.end_one(id, reason, now, Repeat::Safe).await? else { return Ok(None) };
            let session = record::session(id, &hash).map_err(unreadable)?;
            if ended {
                self.unlist(session.user_id, std::slice::from_ref(id));
            }
            Ok::<_, EphemeralError>(Some(session))
        };
        Ok(self.link.within(ending).await?.filter(|session| session.expires_at > now))
    }

    async fn end_all(
        &self,
        user: UserId,
        except: Option<SessionId>,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<SessionId>, EphemeralError> {
        self.link.within(self.try_end_all(user, except.as_ref(), reason, now)).await
    }

    async fn list(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>, EphemeralError> {
        self.link.within(self.try_list(user, now)).await
    }

    async fn update(&self, id: &SessionId, update: &SessionUpdate) -> Result<bool, EphemeralError> {
        let (key, fields) = (self.link.keys.session(id), record::updated(update));
        self.link.within(UPDATE.run(&self.link.route, &[&key], &fields, Repeat::Safe)).await
    }

    async fn touch(&self, seen: &[(SessionId, Timestamp)]) -> Result<(), EphemeralError> {
        let seen: Vec<_> = seen.iter().map(|(id, at)| (self.link.keys.session(id), at.as_micros())).collect();
        let touches = seen.into_iter().map(async |(key, at)| {
            TOUCH.run::<i64>(&self.link.route, &[&key], &[at.into()], Repeat::Safe).await.map(drop)
        });
        self.link.within(stream::iter(touches).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>()).await.map(drop)
    }

    async fn ping(&self) -> Result<(), EphemeralError> {
        self.link.ping().await
    }
}
