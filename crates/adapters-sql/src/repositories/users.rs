use async_trait::async_trait;
use diesel::dsl::{exists, sql};
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::rows::{UserRow, parse_status, status_name};
use keystead_adapters_sql::schema::{
    passkeys, passwords, pending_registrations as claims, social_identities as links, srp_credentials as srp, users,
};
use keystead_adapters_sql::types::{At, Uid};
use keystead_adapters_sql::{Hold, Prepared, RowError};
use keystead_application::ports::{StoreError, UserPage, UserRepository};
use keystead_domain::Timestamp;
use keystead_domain::account::{AccountStatus, Epoch, LoginName, PasswordHash, Role, User, UserId};

use super::{Transaction, dialect, domain, optional};

/// Whoever may more than others: the condition of an index, in its words.
fn administrators() -> SqlLiteral<Bool> {
    sql::<Bool>("role <> 'user'")
}

/// Behind every text that begins with the one before it: no address holds the last character there is.
const LAST: char = '\u{10ffff}';

/// Users that pass a filter. Every combination is answered by one index, with the rest checked row by row: addresses by
/// theirs, then administrators, then a standing, in the order of the list. SQLite would take the index of the standing
/// whenever it is compared as it is; so it is not where another is the better one.
macro_rules! filtered {
    ($filter:expr) => {{
        let (filter, mut query) = (&$filter, users::table.into_boxed());
        let by_email = filter.email_prefix.is_some();
        if let Some(prefix) = &filter.email_prefix {
            query = query.filter(users::email.ge(prefix.clone())).filter(users::email.lt(format!("{prefix}{LAST}")));
        }
        let by_role = filter.role.is_some_and(|role| role != Role::User);
        if by_role && !by_email {
            query = query.filter(administrators());
        }
        if let Some(role) = filter.role {
            query = query.filter(users::role.eq(role.as_str()));
        }
        match filter.status.map(status_name) {
            Some(status) if by_email || by_role => query.filter(users::status.concat("").eq(status)),
            Some(status) => query.filter(users::status.eq(status)),
            None => query,
        }
    }};
}

/// Not an address and not a username: looking it up costs as much as any name nobody has.
const NOBODY: &str = " ";

#[async_trait]
impl UserRepository for Transaction {
    async fn get(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        dialect::hold(self, Hold::Look(id)).await?;
        let query = users::table.find(Uid(id)).select(UserRow::as_select());
        let row = query.first(self.connection()?).await.optional();
        optional(self.check(row)?)
    }

    async fn find_by_login_name(
        &mut self,
        name: &LoginName,
    ) -> Result<Option<(User, Option<PasswordHash>)>, StoreError> {
        dialect::hold(self, Hold::Name(name)).await?;
        let query = users::table.left_join(passwords::table).select((UserRow::as_select(), passwords::hash.nullable()));
        let row = match name {
            LoginName::Email(email) => query.filter(users::email.eq(email.as_str())).first(self.connection()?).await,
            LoginName::Phone(phone) => query.filter(users::phone.eq(phone.as_str())).first(self.connection()?).await,
            LoginName::Username(username) => {
                query.filter(users::username.eq(username.as_str())).first(self.connection()?).await
            }
            LoginName::Unknown(_) => query.filter(users::email.eq(NOBODY)).first(self.connection()?).await,
        };
        let row: Option<(UserRow, Option<String>)> = self.check(row.optional())?;
        row.map(|(user, hash)| Ok((user.try_into()?, hash.map(PasswordHash::new)))).transpose()
    }

    async fn password(&mut self, id: UserId) -> Result<Option<PasswordHash>, StoreError> {
        let query = passwords::table.find(Uid(id)).select(passwords::hash);
        let hash = query.first::<String>(self.connection()?).await.optional();
        Ok(self.check(hash)?.map(PasswordHash::new))
    }

    async fn insert(&mut self, user: &User, password: Option<PasswordHash>) -> Result<(), StoreError> {
        let statement = diesel::insert_into(users::table).values(UserRow::from(user));
        self.mark().await?;
        let result = statement.execute(self.connection()?).await;
        self.check_marked(result).await?;
        match password {
            Some(hash) => self.set_password(user.id, &hash, user.created_at).await,
            None => Ok(()),
        }
    }

    async fn update(&mut self, user: &User) -> Result<(), StoreError> {
        // In the order of those who looked first: the user, then the names.
        dialect::hold(self, Hold::User(user.id)).await?;
        dialect::hold(self, Hold::Rename(user)).await?;
        let row = UserRow::from(user);
        let statement = diesel::update(users::table.find(row.id)).set((
            users::email.eq(row.email),
            users::email_contact_id.eq(row.email_contact_id),
            users::email_otp.eq(row.email_otp),
            users::phone.eq(row.phone),
            users::phone_contact_id.eq(row.phone_contact_id),
            users::phone_otp.eq(row.phone_otp),
            users::username.eq(row.username),
            users::full_name.eq(row.full_name),
            users::locale.eq(row.locale),
            users::role.eq(row.role),
            users::status.eq(row.status),
            users::updated_at.eq(row.updated_at),
        ));
        self.mark().await?;
        let result = Prepared(statement).execute(self.connection()?).await;
        self.check_marked(result).await.map(drop)
    }

    async fn set_password(&mut self, id: UserId, password: &PasswordHash, now: Timestamp) -> Result<(), StoreError> {
        dialect::hold(self, Hold::User(id)).await?;
        let new = (passwords::hash.eq(password.as_str()), passwords::updated_at.eq(At(now)));
        let statement = diesel::insert_into(passwords::table)
            .values((passwords::user_id.eq(Uid(id)), new))
            .on_conflict(passwords::user_id)
            .do_update()
            .set(new);
        let result = Prepared(statement).execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn delete_password(&mut self, id: UserId) -> Result<(), StoreError> {
        dialect::hold(self, Hold::User(id)).await?;
        let result = diesel::delete(passwords::table.find(Uid(id))).execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn upgrade_password(
        &mut self,
        id: UserId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError> {
        dialect::hold(self, Hold::User(id)).await?;
        let unchanged = passwords::table.find(Uid(id)).filter(passwords::hash.eq(old.as_str()));
        let statement = diesel::update(unchanged).set(passwords::hash.eq(new.as_str())).returning(passwords::user_id);
        let row = Prepared(statement).get_result::<Uid>(self.connection()?).await.optional();
        self.check(row).map(|row| row.is_some())
    }

    async fn bump_epoch(
        &mut self,
        id: UserId,
        end_sessions: bool,
        now: Timestamp,
    ) -> Result<Option<(Epoch, Epoch)>, StoreError> {
        let (user, next) = (users::table.find(Uid(id)), users::epoch + 1_i64);
        let both = (users::epoch, users::sessions_epoch);
        let touched = users::updated_at.eq(At(now));
        let row = if end_sessions {
            let changes = (users::epoch.eq(next), users::sessions_epoch.eq(next), touched);
            Prepared(diesel::update(user).set(changes).returning(both)).get_result(self.connection()?).await
        } else {
            let changes = (users::epoch.eq(next), touched);
            Prepared(diesel::update(user).set(changes).returning(both)).get_result(self.connection()?).await
        };
        let epochs: Option<(i64, i64)> = self.check(row.optional())?;
        Ok(epochs.map(|(epoch, sessions)| (Epoch::new(epoch), Epoch::new(sessions))))
    }

    async fn list(&mut self, page: &UserPage) -> Result<Vec<User>, StoreError> {
        // No text of PostgreSQL's holds a zero, and no address does.
        if page.filter.email_prefix.as_ref().is_some_and(|prefix| prefix.contains('\0')) {
            return Ok(Vec::new());
        }
        let mut query = filtered!(page.filter).limit(i64::from(page.size)).select(UserRow::as_select());
        if let Some((at, after)) = page.after {
            let at = At(at);
            // The first condition finds the place in the index, the second skips what shares its time.
            query = if page.newest_first {
                let earlier = users::created_at.lt(at).or(users::id.lt(Uid(after)));
                query.filter(users::created_at.le(at)).filter(earlier)
            } else {
                let later = users::created_at.gt(at).or(users::id.gt(Uid(after)));
                query.filter(users::created_at.ge(at)).filter(later)
            };
        }
        let rows = if page.newest_first {
            query.order((users::created_at.desc(), users::id.desc())).load(self.connection()?).await
        } else {
            query.order((users::created_at.asc(), users::id.asc())).load(self.connection()?).await
        };
        domain(self.check(rows)?)
    }

    async fn count(&mut self, status: AccountStatus) -> Result<u64, StoreError> {
        let query = users::table.filter(users::status.eq(status_name(status))).count();
        let count = query.get_result::<i64>(self.connection()?).await;
        Ok(u64::try_from(self.check(count)?).unwrap_or(0))
    }

    async fn has_other_administrator(&mut self, than: UserId, role: Role) -> Result<bool, StoreError> {
        dialect::hold(self, Hold::Administrators).await?;
        // All of them: they are few, and the order is that of their index, which counting would pass over for a longer one.
        let with_password = exists(passwords::table.filter(passwords::user_id.eq(users::id)));
        let with_passkey = exists(passkeys::table.filter(passkeys::user_id.eq(users::id)));
        let with_srp = exists(srp::table.filter(srp::user_id.eq(users::id)));
        let with_link = exists(links::table.filter(links::user_id.eq(users::id)));
        let query = users::table
            .filter(administrators())
            .filter(with_password.or(with_passkey).or(with_srp).or(with_link))
            .order((users::created_at, users::id))
            .select((users::id, users::role, users::status));
        let rows = query.load::<(Uid, String, String)>(self.connection()?).await;
        for (Uid(id), name, status) in self.check(rows)? {
            let status = parse_status(&status).ok_or(RowError("users.status"))?;
            let has = Role::parse(&name).map_err(|_| RowError("users.role"))?;
            if id != than && status == AccountStatus::Active && has >= role {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn delete(&mut self, id: UserId) -> Result<bool, StoreError> {
        dialect::hold(self, Hold::User(id)).await?;
        let claims = diesel::delete(claims::table.filter(dialect::claims_to(id)));
        let result = claims.execute(self.connection()?).await;
        self.check(result)?;
        // Everything else refers to the user, and goes with them.
        let result = diesel::delete(users::table.find(Uid(id))).execute(self.connection()?).await;
        self.check(result).map(|rows| rows > 0)
    }

    async fn closed_before(&mut self, before: Timestamp, limit: u32) -> Result<Vec<UserId>, StoreError> {
        // Found by their standing: an index by the time of the change would make every change of a user enter every index
        // of users again, and closed accounts are few, because they are deleted.
        let query = users::table
            .filter(users::status.eq(status_name(AccountStatus::Deactivated)))
            .filter(users::updated_at.lt(At(before)))
            .order((users::updated_at, users::id))
            .limit(i64::from(limit))
            .select(users::id);
        let rows = query.load::<Uid>(self.connection()?).await;
        Ok(self.check(rows)?.into_iter().map(|Uid(id)| id).collect())
    }
}
