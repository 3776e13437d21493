use async_trait::async_trait;
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::rows::{NewRevocationRow, RevocationRow, kind};
use keystead_adapters_sql::schema::{general_revocations as general, revocations};
use keystead_adapters_sql::types::{At, Uid};
use keystead_application::ports::{RevocationLog, StoreError};
use keystead_domain::Timestamp;
use keystead_domain::token::{AccessClaims, Revocation, RevocationTarget, SessionId};

use super::{Transaction, count_of, dialect, domain};

#[async_trait]
impl RevocationLog for Transaction {
    async fn append(&mut self, revocation: &Revocation) -> Result<bool, StoreError> {
        let newest = revocations::table.order((revocations::at.desc(), revocations::id.desc())).select(revocations::at);
        let newest_general = general::table.order(general::at.desc()).select(general::at);
        let newest = diesel::select((newest.limit(1).single_value(), newest_general.limit(1).single_value()));
        let newest = newest.get_result::<(Option<At>, Option<At>)>(self.connection()?).await;
        let (newest, newest_general) = self.check(newest)?;
        let at = newest.into_iter().chain(newest_general).fold(At(revocation.at), At::max);
        let Some(row) = NewRevocationRow::new(revocation) else {
            let statement = diesel::insert_into(general::table).values(general::at.eq(at)).on_conflict_do_nothing();
            let result = statement.execute(self.connection()?).await;
            return self.check(result).map(|_| newest_general.is_none());
        };
        let first = diesel::insert_into(revocations::table)
            .values(NewRevocationRow { at, ..row })
            .on_conflict((revocations::kind, revocations::target))
            .do_nothing()
            .returning(revocations::id)
            .get_result::<i64>(self.connection()?)
            .await
            .optional();
        self.check(first).map(|row| row.is_some())
    }

    async fn since(&mut self, since: Timestamp) -> Result<Vec<Revocation>, StoreError> {
        let rows = revocations::table
            .filter(revocations::at.gt(At(since)))
            .order((revocations::at, revocations::id))
            .select(RevocationRow::as_select())
            .load(self.connection()?)
            .await;
        let mut rows: Vec<Revocation> = domain(self.check(rows)?)?;
        let query = general::table.filter(general::at.gt(At(since))).select(general::at);
        let ends = query.load::<At>(self.connection()?).await;
        let ends = self.check(ends)?.into_iter();
        rows.extend(ends.map(|At(at)| Revocation { target: RevocationTarget::Everybody, at }));
        // Stable: those of one moment stay in the order they were written.
        rows.sort_by_key(|row| row.at);
        Ok(rows)
    }

    async fn is_revoked(&mut self, claims: &AccessClaims) -> Result<bool, StoreError> {
        let (token, own) = (&claims.token_id, claims.token_id.session());
        // Without an actor the same is asked twice: the statement stays the same.
        let (actor, actors_epoch, actors) = match &claims.actor {
            Some(actor) => (actor.subject, actor.epoch, &actor.session),
            None => (claims.subject, claims.epoch, &own),
        };
        let by_token = revocations::kind.eq(kind::TOKEN).and(revocations::target.eq(token.as_str()));
        let session =
            |id: &SessionId| revocations::kind.eq(kind::SESSION).and(revocations::target.eq(id.as_str().to_owned()));
        let user = |id, epoch: i64| revocations::user_id.eq(Uid(id)).and(revocations::epoch.gt(epoch));
        let by_session = session(&own).or(session(actors));
        let by_user = user(claims.subject, claims.epoch.number()).or(user(actor, actors_epoch.number()));
        let rows = revocations::table.filter(by_token.or(by_session).nullable().or(by_user));
        // A token's time has whole seconds: who signed in within the second of everybody's end counts as before it.
        let everybody = general::table.filter(general::at.ge(At(claims.auth_time)));
        let query = diesel::select(exists(rows).or(exists(everybody)));
        let found = query.get_result::<bool>(self.connection()?).await;
        self.check(found)
    }

    async fn is_session_revoked(&mut self, session: &SessionId, created_at: Timestamp) -> Result<bool, StoreError> {
        let rows = revocations::table
            .filter(revocations::kind.eq(kind::SESSION))
            .filter(revocations::target.eq(session.as_str()));
        let everybody = general::table.filter(general::at.ge(At(created_at)));
        let query = diesel::select(exists(rows).or(exists(everybody)));
        let found = query.get_result::<bool>(self.connection()?).await;
        self.check(found)
    }

    async fn everybody_ended_at(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let query = general::table.order(general::at.desc()).select(general::at);
        let last = query.first::<At>(self.connection()?).await.optional();
        Ok(self.check(last)?.map(|At(at)| at))
    }

    async fn delete_before(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        let lapsed = dialect::lapsed("revocations", "id", ("at <", "at"), before);
        let result = diesel::delete(revocations::table.filter(lapsed)).execute(self.connection()?).await;
        let rows = self.check(result)?;
        let lapsed = dialect::lapsed("general_revocations", "at", ("at <", "at"), before);
        let result = diesel::delete(general::table.filter(lapsed)).execute(self.connection()?).await;
        self.check(result).map(|ends| count_of(rows + ends))
    }
}
