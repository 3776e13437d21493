//! The database as an object that opens transactions.

use async_trait::async_trait;
use thiserror::Error;

use super::{
    AttendanceRepository, AuditChain, AuditLog, ContactRepository, DeviceRepository, FactorFailureRepository,
    FactorRepository, GuessBudgets, KeyRepository, LeaseRepository, LinkTokenRepository, LoginHistory, Outbox,
    PasskeyRepository, RegistrationRepository, RevocationLog, SocialRepository, SrpRepository, UserRepository,
};

/// A uniqueness rule that a write lost against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Constraint {
    /// One account per e-mail address.
    UserEmail,
    /// One account per phone number.
    UserPhone,
    /// One account per username.
    UserUsername,
    /// One account per identifier.
    UserId,
    /// One passkey per credential.
    PasskeyCredential,
    /// One audit event per place in the chain.
    AuditPosition,
    /// One account here per account elsewhere, and one account elsewhere per person and provider.
    SocialIdentity,
    /// One row of attendance per person and day.
    AttendanceDay,
}

/// The store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// Another row holds the value. The transaction is still usable.
    #[error("the value is taken ({0:?})")]
    Conflict(Constraint),
    /// No connection, a time-out, a full disk: nothing was committed, unless the failure was in `commit` itself, whose
    /// outcome is then unknown. Answer 503.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The store holds something it should not: a bug, or a hand at the database. Answer 500.
    #[error("the store is inconsistent: {0}")]
    Corrupt(String),
}

/// Opens transactions.
#[async_trait]
pub trait Store: Send + Sync {
    /// Opens a transaction that may write. MUST give up with `Unavailable` when none can be had within the acquire
    /// time-out. Dropping it without commit, also in the middle of a cancelled call, MUST roll back.
    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError>;

    /// Opens a transaction that only reads a consistent state. Writing through it MUST fail or be rolled back.
    async fn read(&self) -> Result<Box<dyn Tx>, StoreError>;

    /// Whether the store answers. For health checks.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// One open transaction: an accessor per kind of data, so that a user row, its mail and its audit event commit together
/// while the ports stay separate. Never hold one across a password hash, mail, HTTP or another store.
#[async_trait]
pub trait Tx: Send {
    /// Accounts and their passwords.
    fn users(&mut self) -> &mut dyn UserRepository;
    /// Claims to addresses.
    fn registrations(&mut self) -> &mut dyn RegistrationRepository;
    /// Mailed single-use tokens.
    fn link_tokens(&mut self) -> &mut dyn LinkTokenRepository;
    /// Messages to send.
    fn outbox(&mut self) -> &mut dyn Outbox;
    /// Security events.
    fn audit(&mut self) -> &mut dyn AuditLog;
    /// The chain over them.
    fn audit_chain(&mut self) -> &mut dyn AuditChain;
    /// What ended before its time.
    fn revocations(&mut self) -> &mut dyn RevocationLog;
    /// Counters of guesses.
    fn guess_budgets(&mut self) -> &mut dyn GuessBudgets;
    /// TOTP credentials and recovery codes.
    fn factors(&mut self) -> &mut dyn FactorRepository;
    /// Passkeys.
    fn passkeys(&mut self) -> &mut dyn PasskeyRepository;
    /// Addresses on their way to an account.
    fn contacts(&mut self) -> &mut dyn ContactRepository;
    /// Failures at second factors.
    fn factor_failures(&mut self) -> &mut dyn FactorFailureRepository;
    /// Passwords that never reached the server.
    fn srp(&mut self) -> &mut dyn SrpRepository;
    /// Links to accounts elsewhere.
    fn social(&mut self) -> &mut dyn SocialRepository;
    /// Who came and went when.
    fn attendance(&mut self) -> &mut dyn AttendanceRepository;
    /// Rights that one replica at a time has.
    fn leases(&mut self) -> &mut dyn LeaseRepository;
    /// Browsers a user signed in with before.
    fn devices(&mut self) -> &mut dyn DeviceRepository;
    /// Logins, for their owner to read.
    fn login_history(&mut self) -> &mut dyn LoginHistory;
    /// Signing and server keys, sealed.
    fn keys(&mut self) -> &mut dyn KeyRepository;

    /// Commits. After an error the outcome is unknown: the caller answers 503, and retries are safe because every
    /// single-use thing is consumed in the transaction.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}
