//! The kinds of data inside a transaction.

use async_trait::async_trait;
use keystead_domain::Timestamp;
use keystead_domain::account::{
    AccountStatus, Epoch, LinkPurpose, LinkToken, LinkTokenHash, LoginName, PasswordHash, PendingRegistration, Role,
    User, UserId,
};
use keystead_domain::limits::RatePolicy;
use keystead_domain::token::{AccessClaims, DeviceInfo, DeviceTokenHash, Revocation, SessionId, TokenId};

use super::StoreError;

/// Which users are looked for. `None` restricts nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// Whether the account can be used.
    pub status: Option<AccountStatus>,
    /// What they may do.
    pub role: Option<Role>,
    /// How their e-mail address begins, in lower case, taken literally.
    pub email_prefix: Option<String>,
}

/// A page of users, oldest first, ties by identifier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserPage {
    /// Which.
    pub filter: UserFilter,
    /// Newest first instead.
    pub newest_first: bool,
    /// Users after this one, by when it was made and its identifier; it may be gone.
    pub after: Option<(Timestamp, UserId)>,
    /// At most this many.
    pub size: u32,
}

/// Accounts and their passwords.
///
/// In a transaction that may write, the first user that [`get`](Self::get) or
/// [`find_by_login_name`](Self::find_by_login_name) finds MUST stay as seen until the transaction ends: use-cases look,
/// decide, and write what they saw with a change. Others that look at that user, or write about them, wait.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait UserRepository: Send {
    /// The user with this identifier.
    async fn get(&mut self, id: UserId) -> Result<Option<User>, StoreError>;

    /// The user with this login name, and their password hash if they have one. `LoginName::Unknown` MUST cost the same
    /// look-up as any other name.
    async fn find_by_login_name(
        &mut self,
        name: &LoginName,
    ) -> Result<Option<(User, Option<PasswordHash>)>, StoreError>;

    /// The password hash of a user.
    async fn password(&mut self, id: UserId) -> Result<Option<PasswordHash>, StoreError>;

    /// Adds a user. A lost race is `Conflict` with `UserEmail`, `UserPhone`, `UserUsername` or `UserId`.
    async fn insert(&mut self, user: &User, password: Option<PasswordHash>) -> Result<(), StoreError>;

    /// Replaces contacts, username, full name, locale, role, status and `updated_at` of a user; never an
    /// epoch or a password. A lost race is a `Conflict` as with [`Self::insert`].
    async fn update(&mut self, user: &User) -> Result<(), StoreError>;

    /// Sets the password.
    async fn set_password(&mut self, id: UserId, password: &PasswordHash, now: Timestamp) -> Result<(), StoreError>;

    /// Takes the password away.
    async fn delete_password(&mut self, id: UserId) -> Result<(), StoreError>;

    /// Replaces the password hash if it is still `old`, in one statement: an upgrade of parameters must not undo a
    /// change made meanwhile. `false` when it is another.
    async fn upgrade_password(
        &mut self,
        id: UserId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError>;

    /// Raises the epoch by one and, when `end_sessions`, the sessions' epoch to it, in one statement. Returns both as
    /// they are now; `None` when there is no such user. MUST give every of any number of parallel calls its own epoch.
    async fn bump_epoch(
        &mut self,
        id: UserId,
        end_sessions: bool,
        now: Timestamp,
    ) -> Result<Option<(Epoch, Epoch)>, StoreError>;

    /// A page of users. Users made meanwhile move nobody to another page.
    async fn list(&mut self, page: &UserPage) -> Result<Vec<User>, StoreError>;

    /// How many users of each status there are.
    async fn count(&mut self, status: AccountStatus) -> Result<u64, StoreError>;

    /// Whether an active account other than this one, that somebody can sign in to with a password or a passkey, has at least
    /// this role. MUST hold back others who ask until this
    /// transaction ends: of two administrators who close each other's accounts one has to see what the other did.
    async fn has_other_administrator(&mut self, than: UserId, role: Role) -> Result<bool, StoreError>;

    /// Deletes the user and everything that is kept for them, but the audit log and the revocations. `false` when there is
    /// no such user.
    async fn delete(&mut self, id: UserId) -> Result<bool, StoreError>;

    /// Users who closed their account before this time, at most `limit`, the longest closed first.
    async fn closed_before(&mut self, before: Timestamp, limit: u32) -> Result<Vec<UserId>, StoreError>;
}

/// Claims to addresses.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait RegistrationRepository: Send {
    /// Adds a claim. Claims to one address do not disturb each other.
    async fn insert(&mut self, registration: &PendingRegistration) -> Result<(), StoreError>;

    /// The claim, while it is alive.
    async fn get(&mut self, id: UserId, now: Timestamp) -> Result<Option<PendingRegistration>, StoreError>;

    /// Takes the claim and deletes every other claim to its address, in one step. MUST return a claim to exactly one
    /// caller, and of several claims to one address to one caller only.
    async fn consume(&mut self, id: UserId, now: Timestamp) -> Result<Option<PendingRegistration>, StoreError>;

    /// Deletes claims that lapsed before `now`, a bounded number of them. Returns how many.
    async fn delete_expired(&mut self, now: Timestamp) -> Result<u64, StoreError>;
}

/// Mailed single-use tokens. Transactions that use, issue or end links of one user, or change that user, MUST NOT wait for
/// each other in a circle.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait LinkTokenRepository: Send {
    /// Adds a token and deletes older ones of the same user and purpose, begun or not.
    async fn issue(&mut self, token: &LinkToken) -> Result<(), StoreError>;

    /// Binds an unused, live token to a pre-authorized token. MUST succeed once.
    async fn begin(
        &mut self,
        hash: LinkTokenHash,
        purpose: LinkPurpose,
        as_token: &TokenId,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<LinkToken>, StoreError>;

    /// The token bound to this pre-authorized token, while it is alive.
    async fn find_begun(&mut self, as_token: &TokenId, now: Timestamp) -> Result<Option<LinkToken>, StoreError>;

    /// A second factor was proved: binds the token to another pre-authorized token instead, and remembers the proof. MUST
    /// be `true` for exactly one caller.
    async fn prove_begun(
        &mut self,
        as_token: &TokenId,
        next_token: &TokenId,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// A code was sent for the pre-authorized token: binds the token to the new one that carries it. MUST be `true` for
    /// exactly one caller.
    async fn rebind_begun(
        &mut self,
        as_token: &TokenId,
        next_token: &TokenId,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Takes the token bound to this pre-authorized token. MUST return it to exactly one caller.
    async fn consume_begun(&mut self, as_token: &TokenId, now: Timestamp) -> Result<Option<LinkToken>, StoreError>;

    /// Takes an unused token directly. MUST return it to exactly one caller.
    async fn consume(
        &mut self,
        hash: LinkTokenHash,
        purpose: LinkPurpose,
        now: Timestamp,
    ) -> Result<Option<LinkToken>, StoreError>;

    /// The unused token, while it is alive. Changes nothing.
    async fn find(
        &mut self,
        hash: LinkTokenHash,
        purpose: LinkPurpose,
        now: Timestamp,
    ) -> Result<Option<LinkToken>, StoreError>;

    /// Deletes all tokens of a user.
    async fn delete_for_user(&mut self, user: UserId) -> Result<(), StoreError>;

    /// Deletes tokens that lapsed before `now`, a bounded number of them. Returns how many.
    async fn delete_expired(&mut self, now: Timestamp) -> Result<u64, StoreError>;
}

/// What ended before its time. Every replica reads it; the rows matter for an hour.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait RevocationLog: Send {
    /// Adds a row. `true` when it is the first for its target (a user's counts per epoch), so that what must happen
    /// once per revocation (a mail, an audit event) can hang on it.
    ///
    /// A row is never older than those before it: when the clock stepped back, or the writer's is behind another's, the
    /// row MUST take the time of the newest. Readers go on from the newest row they saw, and would never see it.
    async fn append(&mut self, revocation: &Revocation) -> Result<bool, StoreError>;

    /// Rows whose `at` is after `since`, oldest first.
    async fn since(&mut self, since: Timestamp) -> Result<Vec<Revocation>, StoreError>;

    /// Whether this token is revoked: by itself, its session, its user's epoch, with everybody's, or, where it names an
    /// actor, by the end of the actor's session or epoch. For when the view is not confirmed.
    async fn is_revoked(&mut self, claims: &AccessClaims) -> Result<bool, StoreError>;

    /// Whether this session, made then, was revoked by itself or with everybody's. For a session that is about to be
    /// confirmed.
    async fn is_session_revoked(&mut self, session: &SessionId, created_at: Timestamp) -> Result<bool, StoreError>;

    /// When everybody's sessions were last ended.
    async fn everybody_ended_at(&mut self) -> Result<Option<Timestamp>, StoreError>;

    /// Deletes rows older than `before`, a bounded number of them. Returns how many.
    async fn delete_before(&mut self, before: Timestamp) -> Result<u64, StoreError>;
}

/// What a guess budget is kept for: a keyed hash or an identifier, under the policy's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BudgetKey(pub String);

/// Whether a guess may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetDecision {
    /// Yes; it was counted as a failure before it is compared.
    Reserved {
        /// How many of the limit are taken now, this one included.
        count: u32,
    },
    /// No; nothing was counted.
    Exhausted {
        /// When one more is allowed, if nobody else comes first.
        again_at: Timestamp,
    },
}

/// Counters of guesses at accounts and secrets. In the database, so that no flush and no restart forgets them. They count
/// by the generic cell rate algorithm ([`Gcra`](keystead_domain::limits::Gcra)).
///
/// What is never released is a limit per account that no flush of the passing state forgets.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait GuessBudgets: Send {
    /// Counts a guess before it is compared. MUST decide as [`Gcra::take`](keystead_domain::limits::Gcra::take) does while
    /// time does not go back, and be atomic: of any number of parallel calls at one time at most `policy.limit` are
    /// `Reserved`.
    async fn reserve(
        &mut self,
        key: &BudgetKey,
        policy: &RatePolicy,
        now: Timestamp,
    ) -> Result<BudgetDecision, StoreError>;

    /// The guess was right: takes its own count back, and nobody else's.
    async fn release(&mut self, key: &BudgetKey, policy: &RatePolicy) -> Result<(), StoreError>;

    /// Deletes counters that were wholly free before `now`, a bounded number of them; a counter may stay for up to a
    /// window longer. Returns how many.
    async fn delete_expired(&mut self, now: Timestamp) -> Result<u64, StoreError>;
}

/// Browsers a user signed in with before.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait DeviceRepository: Send {
    /// Whether this is a known device of this user at `now`.
    async fn is_known(&mut self, user: UserId, hash: DeviceTokenHash, now: Timestamp) -> Result<bool, StoreError>;

    /// Adds a device, or renews its end.
    async fn remember(
        &mut self,
        user: UserId,
        hash: DeviceTokenHash,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError>;

    /// Forgets all devices of a user.
    async fn forget_all(&mut self, user: UserId) -> Result<(), StoreError>;

    /// Deletes devices that lapsed before `now`, a bounded number of them. Returns how many.
    async fn delete_expired(&mut self, now: Timestamp) -> Result<u64, StoreError>;
}

/// One login, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginRecord {
    /// The first access token of the login.
    pub token_id: TokenId,
    /// Whose.
    pub user_id: UserId,
    /// When.
    pub at: Timestamp,
    /// Where from.
    pub device: DeviceInfo,
    /// The administrator who acts as the user since.
    pub impersonator: Option<UserId>,
}

/// Logins, for their owner to read.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait LoginHistory: Send {
    /// Adds a login.
    async fn append(&mut self, record: &LoginRecord) -> Result<(), StoreError>;

    /// Logins of a user, newest first, ties by token id descending; after the given one.
    async fn list(
        &mut self,
        user: UserId,
        after: Option<(Timestamp, TokenId)>,
        size: u32,
    ) -> Result<Vec<LoginRecord>, StoreError>;

    /// Logins of everybody, in the same order.
    async fn list_all(
        &mut self,
        after: Option<(Timestamp, TokenId)>,
        size: u32,
    ) -> Result<Vec<LoginRecord>, StoreError>;

    /// Deletes logins older than `before`, a bounded number of them. Returns how many.
    async fn delete_before(&mut self, before: Timestamp) -> Result<u64, StoreError>;

    /// Whether a session was ever made for this user: who owns a `jti` is visible from its session part.
    async fn owns_session(&mut self, user: UserId, session: &SessionId) -> Result<bool, StoreError>;
}
