use std::sync::Arc;

use keystead_domain::account::{Password, PasswordHash, PasswordPolicy, PasswordRefusal, UserId};
use keystead_domain::audit::AuditEventName;
use keystead_domain::srp::SrpCredential;
use keystead_domain::{SecretString, Timestamp};

use crate::failure::Failure;
use crate::ports::{HashError, PasswordHasher, StoreError, StoredSrp, Tx, Vault};

/// What somebody chose to sign in with: a password, or the proof of one that never leaves their client.
#[derive(Clone, Debug)]
pub enum NewSecret {
    /// A password as typed.
    Password(SecretString),
    /// An SRP credential, made by the client. Its password was seen by nobody, so no policy was checked here: the client does.
    Srp(Box<SrpCredential>),
}

impl From<SecretString> for NewSecret {
    fn from(password: SecretString) -> Self {
        Self::Password(password)
    }
}

/// A secret that the policy accepted.
pub(crate) enum AcceptedSecret {
    Password(Password),
    Srp(Box<SrpCredential>),
}

/// A secret as it will be kept.
pub(crate) enum KeptSecret {
    Password(PasswordHash),
    Srp(Box<SrpCredential>),
}

impl KeptSecret {
    /// The event that names the kind, beside the one of what was done.
    pub(crate) fn event(&self) -> Option<AuditEventName> {
        match self {
            Self::Password(_) => None,
            Self::Srp(_) => Some(AuditEventName::SrpVerifierSet),
        }
    }
}

/// Checks, hashes and keeps what people sign in with. A person has a password, an SRP credential, both, or neither.
#[derive(Clone)]
pub struct Secrets {
    hasher: Arc<dyn PasswordHasher>,
    vault: Arc<dyn Vault>,
}

impl Secrets {
    /// The service.
    pub fn new(hasher: Arc<dyn PasswordHasher>, vault: Arc<dyn Vault>) -> Self {
        Self { hasher, vault }
    }

    /// Hashes passwords.
    pub(crate) fn hasher(&self) -> &dyn PasswordHasher {
        &*self.hasher
    }

    /// Asks the policy.
    pub(crate) fn accept(
        secret: NewSecret,
        policy: &PasswordPolicy,
        own_words: &[&str],
    ) -> Result<AcceptedSecret, PasswordRefusal> {
        Ok(match secret {
            NewSecret::Password(password) => AcceptedSecret::Password(policy.accept(password.expose(), own_words)?),
            NewSecret::Srp(credential) => AcceptedSecret::Srp(credential),
        })
    }

    /// Hashes a password; an SRP credential costs nothing here. Never with a transaction open.
    pub(crate) async fn prepare(&self, secret: AcceptedSecret) -> Result<KeptSecret, HashError> {
        Ok(match secret {
            AcceptedSecret::Password(password) => KeptSecret::Password(self.hasher.hash(&password).await?),
            AcceptedSecret::Srp(credential) => KeptSecret::Srp(credential),
        })
    }

    /// Keeps a secret in the place of every one before, of either kind.
    pub(crate) async fn replace(
        &self,
        tx: &mut dyn Tx,
        user: UserId,
        secret: &KeptSecret,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match secret {
            KeptSecret::Password(hash) => {
                tx.srp().delete(user).await?;
                tx.users().set_password(user, hash, now).await
            }
            KeptSecret::Srp(credential) => {
                tx.users().delete_password(user).await?;
                self.put(tx, user, credential, now).await
            }
        }
    }

    /// Keeps an SRP credential in the place of the one before, and leaves a password as it is.
    pub(crate) async fn put(
        &self,
        tx: &mut dyn Tx,
        user: UserId,
        credential: &SrpCredential,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sealed = self.seal(user, credential)?;
        tx.srp().put(&StoredSrp { user_id: user, sealed, created_at: now }).await
    }

    /// A credential as it is kept. It opens in this person's row only.
    pub(crate) fn seal(&self, user: UserId, credential: &SrpCredential) -> Result<Vec<u8>, StoreError> {
        let sealed = self.vault.seal(&place(user), credential.encode().expose());
        sealed.map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    /// Opens what [`Self::seal`] made.
    pub(crate) fn open(&self, stored: &StoredSrp) -> Result<SrpCredential, StoreError> {
        let opened = self.vault.open(&place(stored.user_id), &stored.sealed);
        let opened = opened.map_err(|error| StoreError::Corrupt(error.to_string()))?;
        SrpCredential::decode(opened.expose()).ok_or_else(|| StoreError::Corrupt("an SRP credential".into()))
    }

    /// Seals a credential under the active key. `None` when it is.
    pub(crate) fn resealed(&self, stored: &StoredSrp) -> Result<Option<StoredSrp>, Failure> {
        if !self.vault.is_outdated(&stored.sealed) {
            return Ok(None);
        }
        let sealed = self.seal(stored.user_id, &self.open(stored)?)?;
        Ok(Some(StoredSrp { sealed, ..stored.clone() }))
    }
}

fn place(user: UserId) -> Vec<u8> {
    format!("srp:{user}").into_bytes()
}
