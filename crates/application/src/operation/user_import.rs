use std::sync::Arc;

use keystead_domain::Timestamp;
use keystead_domain::account::{
    AccountStatus, Contact, ContactId, ContactKind, EmailAddress, Epoch, FullName, Locale, LoginName, PasswordHash,
    PhoneNumber, Role, User, UserId, Username,
};
use keystead_domain::audit::AuditEventName;
use thiserror::Error;

use self::seen::Seen;
use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::ports::{Clock, Constraint, Entropy, ForeignHash, HashRefusal, PasswordImport, Store, StoreError, Tx};
use crate::random;
use crate::service::{record, record_with};

mod seen;

/// An address as another system kept it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignContact<A> {
    /// The address.
    pub address: A,
    /// Whether its owner proved to hold it.
    pub is_verified: bool,
}

/// An account of another system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignUser {
    /// Identifier; a new one unless given.
    pub id: Option<UserId>,
    /// E-mail address.
    pub email: Option<ForeignContact<EmailAddress>>,
    /// Phone number.
    pub phone: Option<ForeignContact<PhoneNumber>>,
    /// Public name.
    pub username: Option<Username>,
    /// What they want to be called.
    pub full_name: Option<FullName>,
    /// Language of their mails.
    pub locale: Option<Locale>,
    /// What they may do.
    pub role: Role,
    /// Whether the account can be used.
    pub status: AccountStatus,
    /// When the account came to be; now unless given.
    pub created_at: Option<Timestamp>,
    /// Their password; without one they choose one by way of "forgot password".
    pub password: Option<ForeignHash>,
}

/// What the operator allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each allows one thing, whatever the others do")]
pub struct ImportPolicy {
    /// Look and tell, write nothing.
    pub dry_run: bool,
    /// Take contacts the other system did not verify. Whoever registered somebody else's address there owns it here.
    pub assume_verified: bool,
    /// Take password hashes that cost a thief next to nothing to guess at.
    pub allow_weak_hashes: bool,
    /// Take roles above [`Role::User`]. Whoever can write into the file makes administrators otherwise.
    pub allow_roles: bool,
}

/// What became of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportOutcome {
    /// It is here now, or would be.
    Imported {
        /// Its identifier.
        id: UserId,
        /// What they may do.
        role: Role,
        /// A contact that was left out because it was never verified.
        left_out: Option<ContactKind>,
    },
    /// It was here before, or its contact was; nothing of it was changed.
    Exists(Held),
    /// It cannot be taken.
    Refused(ImportRefusal),
}

/// What an account here shares with the one to be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// The identifier.
    Id,
    /// A contact.
    Contact(ContactKind),
}

/// Why an account cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ImportRefusal {
    /// Whoever registered somebody else's address with the other system would own it here (G08).
    #[error("no contact that was verified")]
    NoVerifiedContact,
    /// The account may do more than a user's, and the operator did not allow it.
    #[error("role: above user; it has to be allowed")]
    RoleNotAllowed,
    /// Somebody else's.
    #[error("the username belongs to another account")]
    UsernameTaken,
    /// Users are shown oldest first.
    #[error("it was made in the future")]
    MadeInFuture,
    /// The hash is not read.
    #[error(transparent)]
    Hash(#[from] HashRefusal),
    /// The hash is read, but the operator did not allow it.
    #[error("whoever steals the password hash guesses the password at leisure; it has to be allowed")]
    WeakHash,
}

/// Why a batch was not imported.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImportError {
    /// Whether the batch was written is not known. Importing it again tells: what is there is left alone.
    #[error("whether these users were imported is not known: {0}")]
    Unconfirmed(StoreError),
    /// A store did not answer; nothing of the batch was written.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(ImportError);

/// Brings accounts from another system, a batch at a time: `keystead user import`. What is here already is never changed,
/// so that an import that was interrupted is simply run again.
pub struct UserImport {
    store: Arc<dyn Store>,
    hashes: Arc<dyn PasswordImport>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    policy: ImportPolicy,
    /// In a dry run: what earlier accounts would have taken.
    seen: Seen,
    /// The last account was here before. The next one probably is, too, and looking is cheaper than trying.
    looks_first: bool,
}

impl UserImport {
    /// The use-case with its dependencies.
    pub fn new(
        store: Arc<dyn Store>,
        hashes: Arc<dyn PasswordImport>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        policy: ImportPolicy,
    ) -> Self {
        Self { store, hashes, clock, entropy, policy, seen: Seen::default(), looks_first: false }
    }

    /// Imports a batch in one transaction, each account with its audit event. The outcomes are in the order of the
    /// accounts. One that is refused does not hold up the others.
    pub async fn run(&mut self, batch: Vec<ForeignUser>) -> Result<Vec<ImportOutcome>, ImportError> {
        let now = self.clock.now();
        let mut outcomes = Vec::with_capacity(batch.len());
        let mut tx = if self.policy.dry_run { self.store.read().await? } else { self.store.begin().await? };
        for foreign in batch {
            outcomes.push(match self.accept(foreign, now) {
                Ok(accepted) if self.policy.dry_run => self.try_out(&mut *tx, &accepted).await?,
                Ok(accepted) => self.insert(&mut *tx, accepted, now).await?,
                Err(refusal) => ImportOutcome::Refused(refusal),
            });
        }
        if !self.policy.dry_run && outcomes.iter().any(|outcome| matches!(outcome, ImportOutcome::Imported { .. })) {
            tx.commit().await.map_err(ImportError::Unconfirmed)?;
        }
        Ok(outcomes)
    }

    /// The account as it will be here, unless it cannot be taken whoever else is here.
    fn accept(&self, foreign: ForeignUser, now: Timestamp) -> Result<Accepted, ImportRefusal> {
        if foreign.role != Role::User && !self.policy.allow_roles {
            return Err(ImportRefusal::RoleNotAllowed);
        }
        let created_at = foreign.created_at.unwrap_or(now);
        if created_at > now {
            return Err(ImportRefusal::MadeInFuture);
        }
        let password = foreign.password.as_ref().map(|hash| self.hashes.read(hash)).transpose()?;
        if !self.policy.allow_weak_hashes && password.as_ref().is_some_and(|read| read.is_weak) {
            return Err(ImportRefusal::WeakHash);
        }
        let id = foreign.id.unwrap_or_else(|| random::user_id(&*self.entropy));
        let mut left_out = None;
        let assume = self.policy.assume_verified;
        let email = verified(foreign.email, assume).unwrap_or_else(|()| {
            left_out = Some(ContactKind::Email);
            None
        });
        let phone = verified(foreign.phone, assume).unwrap_or_else(|()| {
            left_out = Some(ContactKind::Phone);
            None
        });
        if email.is_none() && phone.is_none() {
            return Err(ImportRefusal::NoVerifiedContact);
        }
        // The first contact has its owner's identifier, as after a registration.
        let second = if email.is_some() { self.contact_id() } else { id.into() };
        let user = User {
            id,
            email: email.map(|address| Contact { id: id.into(), address, otp_enabled: false }),
            phone: phone.map(|address| Contact { id: second, address, otp_enabled: false }),
            username: foreign.username,
            full_name: foreign.full_name,
            locale: foreign.locale,
            role: foreign.role,
            status: foreign.status,
            epoch: Epoch::default(),
            sessions_epoch: Epoch::default(),
            created_at,
            updated_at: now,
        };
        Ok(Accepted { user, password: password.map(|read| read.hash), left_out })
    }

    fn contact_id(&self) -> ContactId {
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes);
        ContactId::from_random(bytes)
    }

    async fn insert(
        &mut self,
        tx: &mut dyn Tx,
        accepted: Accepted,
        now: Timestamp,
    ) -> Result<ImportOutcome, ImportError> {
        let Accepted { user, password, left_out } = accepted;
        if self.looks_first
            && let Some(outcome) = look(tx, &user).await?
        {
            return Ok(outcome);
        }
        let conflict = match tx.users().insert(&user, password).await {
            Ok(()) => None,
            Err(StoreError::Conflict(constraint)) => Some(constraint),
            Err(other) => return Err(other.into()),
        };
        self.looks_first = conflict.is_some();
        let Some(constraint) = conflict else {
            tell(tx, &user, now).await?;
            return Ok(ImportOutcome::Imported { id: user.id, role: user.role, left_out });
        };
        // Of several conflicts a store names any.
        if let Some(outcome) = look(tx, &user).await? {
            return Ok(outcome);
        }
        match constraint {
            Constraint::UserId => Ok(ImportOutcome::Exists(Held::Id)),
            Constraint::UserEmail => Ok(ImportOutcome::Exists(Held::Contact(ContactKind::Email))),
            Constraint::UserPhone => Ok(ImportOutcome::Exists(Held::Contact(ContactKind::Phone))),
            Constraint::UserUsername => Ok(ImportOutcome::Refused(ImportRefusal::UsernameTaken)),
            Constraint::PasskeyCredential
            | Constraint::AuditPosition
            | Constraint::SocialIdentity
            | Constraint::AttendanceDay => Err(StoreError::Conflict(constraint).into()),
        }
    }

    /// What inserting would say.
    async fn try_out(&mut self, tx: &mut dyn Tx, accepted: &Accepted) -> Result<ImportOutcome, ImportError> {
        let Accepted { user, left_out, .. } = accepted;
        if let Some(outcome) = look(tx, user).await? {
            return Ok(outcome);
        }
        let imported = ImportOutcome::Imported { id: user.id, role: user.role, left_out: *left_out };
        Ok(self.seen.take(user).unwrap_or(imported))
    }
}

/// An account that can be taken, unless somebody here holds something of it.
struct Accepted {
    user: User,
    password: Option<PasswordHash>,
    left_out: Option<ContactKind>,
}

/// Writes an account that was imported into the audit log: how administrators came to be is found by their role.
async fn tell(tx: &mut dyn Tx, user: &User, now: Timestamp) -> Result<(), StoreError> {
    let (name, who, context) = (AuditEventName::UserImported, (None, Some(user.id)), RequestContext::default());
    match user.role {
        Role::User => record(tx, name, who, None, &context, now).await,
        role => record_with(tx, name, who, None, (&context, role.to_string()), now).await,
    }
}

/// The address, when it may be taken; `Err` when there is one that may not.
fn verified<A>(contact: Option<ForeignContact<A>>, assume: bool) -> Result<Option<A>, ()> {
    match contact {
        Some(contact) if contact.is_verified || assume => Ok(Some(contact.address)),
        Some(_) => Err(()),
        None => Ok(None),
    }
}

/// Whether somebody here holds something of this account.
async fn look(tx: &mut dyn Tx, user: &User) -> Result<Option<ImportOutcome>, StoreError> {
    if tx.users().get(user.id).await?.is_some() {
        return Ok(Some(ImportOutcome::Exists(Held::Id)));
    }
    for contact in user.contacts() {
        let kind = contact.address.kind();
        if tx.users().find_by_login_name(&LoginName::from(contact.address)).await?.is_some() {
            return Ok(Some(ImportOutcome::Exists(Held::Contact(kind))));
        }
    }
    let Some(username) = &user.username else { return Ok(None) };
    let owner = tx.users().find_by_login_name(&LoginName::Username(username.clone())).await?;
    Ok(owner.map(|_| ImportOutcome::Refused(ImportRefusal::UsernameTaken)))
}

#[cfg(test)]
mod tests;
