use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::rows::{UserRow, status_name};
use keystead_adapters_sql::schema::{passwords, users};
use keystead_adapters_sql::types::{At, Uid};
use keystead_adapters_sql::{Hold, Prepared};
use keystead_application::ports::{StoreError, UserPage, UserRepository};
use keystead_domain::Timestamp;
use keystead_domain::account::{AccountStatus, Epoch, LoginName, PasswordHash, User, UserId};

use super::{Transaction, dialect, domain, optional};

/// Not an address and not a username: looking it up costs as much as any name nobody has.
const NOBODY: &str = " ";

#[async_trait]
impl UserRepository for Transaction {
    async fn get(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        dialect::hold(self, Hold::User(id)).await?;
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
        let mut query = users::table
            .order((users::created_at.asc(), users::id.asc()))
            .limit(i64::from(page.size))
            .select(UserRow::as_select())
            .into_boxed();
        if let Some(after) = page.after {
            let last = users::table.find(Uid(after)).select(users::created_at);
            let last = last.first::<At>(self.connection()?).await.optional();
            let Some(at) = self.check(last)? else { return Ok(Vec::new()) };
            // The first condition finds the place in the index, the second skips what shares its time.
            let later = users::created_at.gt(at).or(users::id.gt(Uid(after)));
            query = query.filter(users::created_at.ge(at)).filter(later);
        }
        let rows = query.load(self.connection()?).await;
        domain(self.check(rows)?)
    }

    async fn count(&mut self, status: AccountStatus) -> Result<u64, StoreError> {
        let query = users::table.filter(users::status.eq(status_name(status))).count();
        let count = query.get_result::<i64>(self.connection()?).await;
        Ok(u64::try_from(self.check(count)?).unwrap_or(0))
    }
}
